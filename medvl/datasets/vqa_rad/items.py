"""The questions of VQA-RAD's JSON, and what is odd about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medvl.errors import DataError, unknown

QUESTIONS_FILE = "VQA_RAD Dataset Public.json"
WHERE = "https://osf.io/89kps (no sign-up)"
ORGANS = {"CHEST": "chest", "HEAD": "head", "ABD": "abdomen"}
TEST_MARK = "test_"  # `phrase_type` of test questions: test_freeform, test_para
TYPES = (
    "PRES", "POS", "ABN", "OTHER", "MODALITY", "SIZE", "PLANE", "ATTRIB", "ORGAN", "COLOR", "COUNT",
)  # fmt: skip
TYPE_SPELLINGS = {"ATRIB": "ATTRIB", "PRSE": "PRES"}
NEEDED = ("phrase_type", "image_name", "image_organ", "question", "question_type", "answer", "answer_type")

Item = Mapping[str, Any]


def checked(path: Path, items: Any) -> list[Item]:
    """What the file holds, if it is a list of questions and each has all that is needed.

    Raises:
        DataError: says which is not.
    """
    if not isinstance(items, list) or not items:
        raise DataError(f"{path}: is not a list of questions. do: get it from {WHERE}")
    for number, item in enumerate(items, 1):
        lacking = [name for name in NEEDED if not isinstance(item, dict) or item.get(name) is None]
        if lacking:
            raise DataError(f"{path}: question {number} has no {', '.join(lacking)}. do: get the file from {WHERE}")
        organ, kind = str(item["image_organ"]).strip(), str(item["answer_type"]).strip().upper()
        if organ not in ORGANS:
            raise DataError(f"{path}: question {number}: {unknown('image_organ', organ, ORGANS)}")
        if kind not in ("OPEN", "CLOSED"):
            raise DataError(f"{path}: question {number}: {unknown('answer_type', kind, ('OPEN', 'CLOSED'))}")
        strange = [part for part in _types(item) if part not in TYPES]
        if strange:
            raise DataError(f"{path}: question {number}: {unknown('question_type', strange[0], TYPES)}")
    return items


def is_test(item: Item) -> bool:
    """Whether a question is of the official test set."""
    return str(item["phrase_type"]).strip().startswith(TEST_MARK)


def organ_of(item: Item) -> str:
    """`chest`, `head` or `abdomen`."""
    return ORGANS[str(item["image_organ"]).strip()]


def _types(item: Item) -> list[str]:
    parts = (part.strip().upper() for part in str(item["question_type"]).split(","))
    return [TYPE_SPELLINGS.get(part, part) for part in parts]


def question_of(item: Item) -> dict[str, str]:
    """{question, answer, kind, type} of the study table."""
    return {
        "question": " ".join(str(item["question"]).split()),
        "answer": " ".join(str(item["answer"]).split()),
        "kind": str(item["answer_type"]).strip().lower(),
        "type": "|".join(sorted(set(_types(item)), key=TYPES.index)),
    }

"""A miniature of VQA-RAD from phantom radiographs and the questions about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medvl.data.dataset import IMAGE, QUESTIONS, VIEW
from medvl.datasets.fakes.image_writers import write_picture
from medvl.datasets.phantom.dataset import Phantom
from medvl.datasets.phantom.render import LATERAL
from medvl.datasets.vqa_rad.dataset import IMAGE_FOLDER
from medvl.datasets.vqa_rad.items import QUESTIONS_FILE

RESOLUTION = 128
FEWEST = 3  # patients, so that every trap has an image
MEDPIX = "https://medpix.nlm.nih.gov/case?id=phantom"
# In turn: what the official file has beside its eleven codes in capitals.
ODD_TYPES = ("PRES, ABN", "ATRIB", "PRSE", "Other", "PRES", "ABN", "POS", "SIZE, PRES")

Asked = tuple[str, Any, str, str]  # question, answer, answer_type, question_type


def write(out: Path, *, patients: int, seed: int) -> dict[str, object]:
    """Write `VQA_RAD Dataset Public.json` and `VQA_RAD Image Folder/`.

    The traps: a split by question, so that all test images but the last occur in training, and one test question stands
    among the training questions of its image; an image without questions; `qid` a number but for the first; answers
    that are numbers; `"CLOSED "`; closed questions that are not answered by yes or no; `Yes` and `yes`; trailing
    blanks; combined and misspelt question types; `NULL` for what is missing; an item without one of the keys; case
    addresses that differ on one image.

    Args:
        out: folder to write into.
        patients: phantom patients, three at least; a third of the images is called head or abdomen.
        seed: of the phantom.

    Returns:
        The `data:` parameters that read it.
    """
    phantom = Phantom(patients=max(patients, FEWEST), seed=seed, resolution=RESOLUTION)
    rows = phantom.table().select([IMAGE, VIEW, QUESTIONS]).to_pylist()
    names = [f"synpic{20000 + 13 * place}.jpg" for place in range(len(rows))]
    for name, row in zip([*names, "synpic10000.jpg"], [*rows, rows[0]], strict=True):
        write_picture(out / IMAGE_FOLDER / name, phantom.read_image(row[IMAGE]))
    items: list[dict[str, Any]] = []
    for place, (name, row) in enumerate(zip(names, rows, strict=True)):
        only_test = place == len(rows) - 1
        for number, asked in enumerate(_asked(row)):
            phrase = "test_freeform" if only_test or number % 4 == 3 else ("freeform", "para")[number % 2]
            items.append(_item(len(items), name, place, phrase, asked))
    items.append(_item(len(items), names[0], 0, "test_para", _asked_of(items[0])))  # seen in training
    del items[1]["question_rephrase"]
    (out / QUESTIONS_FILE).write_text(json.dumps(items, indent=3), encoding="utf-8")
    return {"name": "vqa_rad", "root": str(out)}


def _asked(row: dict[str, Any]) -> Iterator[Asked]:
    """The phantom's questions about an image, and some more whose answers the official file has in odd shapes."""
    for number, question in enumerate(row[QUESTIONS]):
        answer = question["answer"]
        answer = answer.capitalize() if number % 2 else answer
        yield question["question"], answer, question["kind"].upper(), ODD_TYPES[number % len(ODD_TYPES)]
    yield "How many lungs are seen?", 1 if row[VIEW] == LATERAL else 2, "OPEN", "COUNT"
    yield "Is this a frontal or a lateral film? ", "Lateral" if row[VIEW] == LATERAL else "Frontal ", "CLOSED ", "PLANE"


def _asked_of(item: dict[str, Any]) -> Asked:
    return item["question"], item["answer"], item["answer_type"], item["question_type"]


def _item(number: int, image: str, place: int, phrase: str, asked: Asked) -> dict[str, Any]:
    question, answer, kind, types = asked
    return {
        "qid": number or "0",
        "phrase_type": phrase,
        "qid_linked_id": f"{number // 2:08d}-phantom",
        "image_case_url": f"{MEDPIX}-{place + number % 2 * 1000}",
        "image_name": image,
        "image_organ": ("CHEST", "CHEST", "CHEST", "CHEST", "HEAD", "ABD")[place % 6],
        "evaluation": "not evaluated",
        "question": question,
        "question_rephrase": "NULL",
        "question_relation": "NULL",
        "question_frame": "NULL",
        "question_type": types,
        "answer": answer,
        "answer_type": kind,
    }

"""`vqa_rad`: questions that clinicians asked about radiology images, with answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import pyarrow as pa

from medvl.data.dataset import IMAGE, ORGAN, PATIENT, QUESTIONS, SPLIT, SPLITS, STUDY, VIEW
from medvl.data.json_file import read_json
from medvl.data.keyed_hash import keyed_hashes
from medvl.data.source import Source
from medvl.datasets.image_files import ImageFiles
from medvl.datasets.vqa_rad.items import (
    QUESTIONS_FILE,
    WHERE,
    Item,
    checked,
    is_test,
    organ_of,
    question_of,
)
from medvl.errors import ConfigError, DataError, unknown

Organ = Literal["all", "chest", "head", "abdomen"]

IMAGE_FOLDER = "VQA_RAD Image Folder"
# images in all, with training questions, with test questions
_COUNTS: dict[Organ, tuple[int, int, int]] = {"all": (314, 313, 203), "chest": (107, 107, 73)}
# training and test questions
_QUESTIONS: dict[Organ, tuple[int, int]] = {"all": (1797, 451), "chest": (620, 174)}
_QUESTION = pa.struct([(name, pa.string()) for name in ("question", "answer", "kind", "type")])


class VqaRad(ImageFiles):
    """VQA-RAD (Lau et al. 2018, "A dataset of clinically generated visual questions and answers about radiology
    images", Scientific Data 5:180251; CC0): 2,248 questions on 314 images of chest, head and abdomen from MedPix.

    Below `root` lie `VQA_RAD Dataset Public.json` and `VQA_RAD Image Folder/`. The 3,515 pairs of the paper count some
    questions several times over.

    The official split, 1,797 questions to train and 451 to test, divides questions: 202 of the 203 test images have
    training questions too, and one test question stands among the training questions of its image. So a row is an image
    with the questions of one split, an image may have two rows, and `split_by` is `question`. No patient is known;
    each image counts as one (the case addresses differ between questions on one image).

    A question is {question, answer, kind, type}:

    - `answer` as it was given, trimmed; whole numbers are spelled out. `Yes` and `yes` both occur, so compare without
      case; 84 test answers occur in no training question.
    - `kind` is `closed` or `open`. Closed means that the question names its answers, not that they are yes and no.
    - `type` is one or more of PRES, POS, ABN, ..., joined by `|` in the order of `TYPES`; misspelt ones are mended.

    Args:
        root: the folder described above.
        questions: the JSON file, below `root`.
        images: the folder of the images, below `root`.
        organ: `chest` leaves out the 207 images of head and abdomen.
        val_share: share of the training images whose training questions become `val`, which the official split lacks;
            in [0, 1).
        val_seed: of the draw of those images.

    Raises:
        ConfigError: an unknown organ, or a share out of range.
    """

    asks = True
    split_by = "question"
    fake = "medvl.datasets.fakes.vqa_rad:write"

    def __init__(
        self,
        *,
        root: Path,
        questions: str = QUESTIONS_FILE,
        images: str = IMAGE_FOLDER,
        organ: Organ = "all",
        val_share: float = 0.0,
        val_seed: int = 0,
    ) -> None:
        problems = [] if organ in get_args(Organ) else [unknown("organ", organ, get_args(Organ), "vqa_rad")]
        if not 0 <= val_share < 1:
            problems.append(f"vqa_rad: val_share is {val_share:g}; a share in [0, 1) is needed, 0.1 for 10 %")
        if problems:
            raise ConfigError(problems)
        self.root, self._path, self._images = Path(root), Path(root) / questions, images
        self._organ, self._val_share, self._val_seed = organ, val_share, val_seed
        if organ in _COUNTS:
            images_in_all, train, test = _COUNTS[organ]
            splits = {"train": train, "test": test} if val_share == 0 else {"test": test}
            self.official = MappingProxyType({"images": images_in_all} | splits)
            train, test = _QUESTIONS[organ]
            asked = {"train": train, "test": test} if val_share == 0 else {"test": test}
            self.expectations = MappingProxyType({"official": splits, "official_questions": asked})

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        return [
            Source(self._path, "questions and answers", f"{WHERE}: {QUESTIONS_FILE}"),
            Source(self.root / self._images, "images", f"{WHERE}: {IMAGE_FOLDER}"),
        ]

    def index_files(self) -> list[Path]:
        """See `ImageFiles.index_files`."""
        return [self._path]

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return self._images, self._organ, self._val_share, self._val_seed

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`; a row is an image and the questions of one split."""
        if not self._path.is_file():
            raise DataError(f"{self._path}: is missing (questions and answers). do: get it from {WHERE}")
        items = checked(self._path, read_json(self._path))
        if self._organ != "all":
            items = [item for item in items if organ_of(item) == self._organ]
        rows = self._rows(items)
        names = [Path(image).stem for image, _ in rows]
        organs = {item["image_name"].strip(): organ_of(item) for item in items}
        columns = {
            IMAGE: pa.array([f"{self._images}/{image}" if self._images else image for image, _ in rows]),
            PATIENT: pa.array(names),
            STUDY: pa.array(names),
            VIEW: pa.nulls(len(rows), pa.string()),
            SPLIT: pa.array([split for _, split in rows]),
            ORGAN: pa.array([organs[image] for image, _ in rows], pa.string()),
            QUESTIONS: pa.array(list(rows.values()), pa.list_(_QUESTION)),
        }
        return pa.table(columns)

    def _rows(self, items: Iterable[Item]) -> dict[tuple[str, str], list[dict[str, str]]]:
        """(image, split) -> its questions; images in the order of their names, splits in that of `SPLITS`."""
        val = self._val_images(items)
        rows: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
        for item in items:
            image = item["image_name"].strip()
            side = "test" if is_test(item) else "val" if image in val else "train"
            rows[image, side].append(question_of(item))
        return dict(sorted(rows.items(), key=lambda row: (row[0][0], SPLITS.index(row[0][1]))))

    def _val_images(self, items: Iterable[Item]) -> set[str]:
        images = pa.array(sorted({item["image_name"].strip() for item in items if not is_test(item)}), pa.string())
        order = np.argsort(keyed_hashes(images, self._val_seed, "vqa_rad val"), kind="stable")
        return set(images.take(pa.array(order[: round(self._val_share * len(images))])).to_pylist())

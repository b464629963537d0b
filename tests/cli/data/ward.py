"""A dataset in one file, as an outsider would write it: a CSV of PNGs, with a writer of miniatures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

import medvl
from medvl.data.source import Source
from medvl.data.table_file import read_columns
from medvl.datasets.image_files import ImageFiles

KEYS = ("image", "patient", "study", "view", "split")
LABELS = ("Edema", "Pneumonia")
COLUMNS = (*KEYS, "age", "indication", "findings", *LABELS)


class Ward(ImageFiles):
    """A ward's images.

    Args:
        root: the folder of ward.csv.
    """

    labels = LABELS
    sections = ("indication", "findings")
    labels_from = ("findings",)
    official = {"images": 12, "studies": 6, "patients": 6, "train": 6, "val": 2, "test": 4}
    expectations = {"paper": {"train": 7}}
    fake = f"{__name__}:write"

    def __init__(self, *, root: Path, split_by: str = "patient") -> None:
        self.root = root
        self.split_by = split_by

    def index_files(self):
        return [self.root / "ward.csv"]

    def settings(self):
        return (self.split_by,)

    def build_table(self):
        cells = read_columns(self.index_files()[0], list(COLUMNS))
        columns = {name: cells.column(name) for name in KEYS}
        columns |= {"age": cells.column("age").cast(pa.int16())}
        columns |= {f"text.{name}": cells.column(name) for name in self.sections}
        return pa.table(columns | {f"label.{name}": cells.column(name).cast(pa.int8()) for name in LABELS})

    def sources(self):
        return [
            Source(self.root / "ward.csv", "the index", "https://ward.example, after signing"),
            Source(self.root / "boxes.csv", "the boxes", "the head nurse", needed=False),
        ]


def rows_of(patients: int, seed: int = 0) -> list[dict[str, object]]:
    """Two images of each patient; 4 of 6 in train and val, 2 in test; Pneumonia is never seen in the test split."""
    rows = []
    for patient in range(patients):
        split = ("train", "train", "train", "val", "test", "test")[patient % 6]
        for image in range(2):
            rows.append(
                {
                    "image": f"images/{patient}_{image}.png", "patient": f"secret{patient}", "study": f"study{patient}",
                    "view": ("PA", "LATERAL")[image], "split": split, "age": 40 + patient if patient else "",
                    "indication": "cough" if patient % 3 else "", "findings": "Left effusion, mysterious words.",
                    "Edema": ("1", "0", "-1", "", "1", "0")[patient % 6],
                    "Pneumonia": ("1", "0", "1", "0", "0", "")[patient % 6],
                }
            )  # fmt: skip
    return rows


def write_index(root: Path, rows: list[dict[str, object]]) -> None:
    with (root / "ward.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def write(out: Path, *, patients: int, seed: int) -> dict[str, object]:
    """The miniature."""
    rows = rows_of(patients, seed)
    (out / "images").mkdir()
    for number, row in enumerate(rows):
        pixels = np.random.default_rng([seed, number]).integers(0, 256, (40, 48), np.uint8)
        Image.fromarray(pixels).save(out / str(row["image"]))
    write_index(out, rows)
    return {"name": "ward", "root": out}


@medvl.hookimpl
def medvl_register(registry: medvl.Registry) -> None:
    registry.register_dataset("ward", Ward)

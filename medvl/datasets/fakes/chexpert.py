"""A miniature of CheXpert, small or full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medvl.data.dataset import PATIENT, STUDY, VIEW
from medvl.datasets.chexpert.cells import KEYS, LABELS
from medvl.datasets.chexpert.layout import FOLDERS, TRAIN, VALID
from medvl.datasets.fakes.chexpert_labels import BLANK, fourteen_labels
from medvl.datasets.fakes.image_writers import write_picture
from medvl.datasets.fakes.people import ages_and_sexes
from medvl.datasets.phantom.dataset import Phantom
from medvl.errors import ConfigError

RESOLUTION, HEIGHT = 160, 136  # pixels; the official images are not square either
VALID_EVERY = 5  # one patient in so many is of valid.csv
FIRST_VALID = 64541  # the number of valid.csv's first patient
OLDEST = 90
Row = dict[str, Any]


def write(out: Path, *, patients: int, seed: int, full: bool = False) -> dict[str, object]:
    """The folder `CheXpert-v1.0-small` (or `CheXpert-v1.0`) with its two index files and JPEGs.

    Traps: the release's name in front of every path; a later study of a patient listed before an earlier one;
    `view1_lateral` and `view2_frontal`; LL and RL on rows marked Frontal, AP/PA blank for laterals; one patient of sex
    `Unknown`, one of age 0, ages capped at 90; 1.0, 0.0, -1.0 and blanks in train.csv, `No Finding` 1.0 or blank;
    valid.csv fully labelled with 0.0 and 1.0, Fracture without a positive; several images of most patients, so that a
    split by image leaks.

    Args:
        out: the folder to write in.
        patients: phantom patients, at least 5; every fifth is of valid.csv. From 20 on there is room for all traps.
        seed: of the phantom.
        full: under the name of the full release; the images stay small.

    Returns:
        The `data:` parameters that read it.

    Raises:
        ConfigError: too few patients for two files.
    """
    if patients < VALID_EVERY:
        raise ConfigError(f"a miniature of chexpert needs at least {VALID_EVERY} patients, not {patients}")
    out, release = Path(out), FOLDERS[full]
    phantom = Phantom(patients=patients, seed=seed, resolution=RESOLUTION)
    table = phantom.table()
    labels = {name: values.tolist() for name, values in fourteen_labels(table).items()}
    rows = [
        _row(row, {name: values[place] for name, values in labels.items()})
        for place, row in enumerate(table.select(["image", PATIENT, STUDY, VIEW]).to_pylist())
    ]
    for row, pixels in zip(rows, phantom.read_images([row["image"] for row in rows]), strict=True):
        assert isinstance(pixels, np.ndarray)
        write_picture(out / release / row["path"], pixels[:HEIGHT])
    people = _people(patients, seed)
    train = _later_study_first([row for row in rows if not row["valid"]])
    _give_lateral_projections(train)
    for name, chosen in ((TRAIN, train), (VALID, [_fully_labelled(row) for row in rows if row["valid"]])):
        lines = [",".join((*KEYS, *LABELS)), *(_line(release, row, *people[row["number"]]) for row in chosen), ""]
        (out / release / name).write_text("\n".join(lines))
    return {"name": "chexpert", "root": str(out)}


def _row(row: Row, labels: dict[str, int]) -> Row:
    """A phantom image under CheXpert's names. PA studies of every other patient number the lateral first."""
    number, lateral = int(row[PATIENT]), row[VIEW] == "LATERAL"
    valid = number % VALID_EVERY == VALID_EVERY - 1
    place = 1 if lateral or row[VIEW] == "AP" else 2
    if number % 2:
        place = 2 if lateral else 1
    folder = f"{'valid' if valid else 'train'}/patient{number + (FIRST_VALID if valid else 1):05d}"
    study = int(row[STUDY].rpartition("s")[2])
    return {
        "image": row["image"],
        "number": number,
        "valid": valid,
        "study": study,
        "path": f"{folder}/study{study}/view{place}_{'lateral' if lateral else 'frontal'}.jpg",
        "side": "Lateral" if lateral else "Frontal",
        "projection": "" if lateral else row[VIEW],
        "labels": labels,
    }


def _people(patients: int, seed: int) -> list[tuple[str, str]]:
    """(sex, age) as train.csv spells them, the odd ones among the first patients."""
    words = {"F": "Female", "M": "Male"}
    people = [(words[sex], str(min(age, OLDEST))) for age, sex in ages_and_sexes(patients, seed)]
    people[1], people[2], people[3] = ("Unknown", people[1][1]), (people[2][0], "0"), (people[3][0], str(OLDEST))
    return people


def _later_study_first(rows: list[Row]) -> list[Row]:
    """The first patient of two studies has the second listed first."""
    twice = next((row["number"] for row in rows if row["study"] == 2), None)
    return sorted(rows, key=lambda row: (row["number"], -row["study"] if row["number"] == twice else row["study"]))


def _give_lateral_projections(rows: list[Row]) -> None:
    """Two frontal images with the projection of a lateral."""
    frontal = [row for row in rows if row["side"] == "Frontal"]
    frontal[0]["projection"], frontal[1]["projection"] = "LL", "RL"


def _fully_labelled(row: Row) -> Row:
    """As radiologists label: everything, with 0 or 1, and no fracture."""
    labels = {name: int(value in (1, -1)) for name, value in row["labels"].items()}
    return row | {"labels": labels | {"Fracture": 0}}


def _line(release: str, row: Row, sex: str, age: str) -> str:
    cells = ["" if value == BLANK else f"{value:.1f}" for value in row["labels"].values()]
    return ",".join([f"{release}/{row['path']}", sex, age, row["side"], row["projection"], *cells])

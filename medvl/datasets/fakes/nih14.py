"""A miniature of NIH ChestX-ray14 with all three index files and both splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medvl.data.dataset import BOXES, LABEL_PREFIX, PATIENT, VIEW
from medvl.datasets.fakes.frontal_images import draw_frontal
from medvl.datasets.fakes.image_writers import write_picture
from medvl.datasets.fakes.people import ages_and_sexes
from medvl.datasets.nih14.cells import BOX_SPELLINGS, LABELS, NOTHING, SIDE
from medvl.datasets.nih14.layout import BOX_LIST, INDEXES, TEST_LIST, TRAIN_VAL_LIST
from medvl.errors import ConfigError

LEAST_PATIENTS = 5  # a patient for each list
LISTS = "lists"  # the folder of CheXNet's lists
RGBA_EVERY = 10  # one image in so many
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
SAMPLE_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImageWidth,OriginalImageHeight,OriginalImagePixelSpacing_x,OriginalImagePixelSpacing_y"
)
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
BOXED = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax")

# The phantom's findings under NIH's names; a lesion is a mass in every other patient, a nodule in the rest.
NAMES = {
    "Atelectasis": "Atelectasis", "Cardiomegaly": "Cardiomegaly", "Pleural Effusion": "Effusion",
    "Consolidation": "Infiltration", "Pneumonia": "Pneumonia", "Pneumothorax": "Pneumothorax", "Edema": "Edema",
}  # fmt: skip
LESIONS = ("Mass", "Nodule")
RARE = ("Consolidation", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia")  # a patient each, no trace in images
Row = dict[str, Any]


def write(out: Path, *, patients: int, seed: int) -> dict[str, object]:
    """The index files of v2020, v1 and Kaggle's sample, boxes, the owner's lists, CheXNet's lists, images.

    Traps: `OriginalImage[Width,Height]` in two columns; an empty last column in v1; ages as numbers, as `060Y`, in
    months and days, and of 411 and 414 years; findings that only v2020 has; names joined by `|`, `Pleural_Thickening`;
    a follow-up number that is not the image's; lists without a final line end; CheXNet's split at odds with the
    owner's, fourteen labels behind each name; boxes in pixels of the 1024 x 1024 original, nine names over six cells,
    `Infiltrate`, all of them in the test list; images in two numbered folders, some RGBA. Images have 256 x 256 pixels.

    Args:
        out: the folder to write in.
        patients: phantom patients, at least 5. From 20 on there is room for all traps.
        seed: of the phantom.

    Returns:
        The `data:` parameters that read it.

    Raises:
        ConfigError: too few patients for all lists.
    """
    if patients < LEAST_PATIENTS:
        raise ConfigError(f"a miniature of nih14 needs at least {LEAST_PATIENTS} patients, not {patients}")
    out = Path(out)
    images = draw_frontal(patients, seed)
    rows = [_row(row, place) for place, row in enumerate(images.table.to_pylist())]
    for place, (row, pixels) in enumerate(zip(rows, images.pixels, strict=True)):
        folder = out / ("images_001" if 2 * place < len(rows) else "images_002") / "images"
        write_picture(folder / row["name"], pixels, "RGBA" if place % RGBA_EVERY == 3 else "L")
    people = ages_and_sexes(patients, seed)
    _write_indexes(out, rows, people)
    _write_boxes(out / BOX_LIST, rows)
    for name, split in ((TRAIN_VAL_LIST, "train"), (TEST_LIST, "test")):
        (out / name).write_text("\n".join(row["name"] for row in rows if row["official"] == split))
    (out / LISTS).mkdir()
    for split in ("train", "val", "test"):
        lines = [f"{row['name']} {_digits(row['findings'])}" for row in rows if row["chexnet"] == split]
        (out / LISTS / f"{split}_list.txt").write_text("\n".join(lines))
    return {"name": "nih14", "root": str(out)}


def _row(row: Row, place: int) -> Row:
    """A phantom image under NIH's names."""
    number = int(row[PATIENT])
    names = NAMES | {"Lung Lesion": LESIONS[number % 2]}
    found = {name for drawn, name in names.items() if row[LABEL_PREFIX + drawn] in (1, -1)}
    found |= {name for remainder, name in enumerate(RARE) if number % 12 == remainder}
    boxes = [(names[box["label"]], box) for box in row[BOXES] if names.get(box["label"]) in BOXED]
    official = "test" if number % 4 == 3 else "train"
    return {
        "name": f"{number + 1:08d}_{int(row['study'].rpartition('s')[2]) - 1:03d}.png",
        "number": number,
        "place": place,
        "view": row[VIEW],
        "findings": [name for name in LABELS if name in found],
        "official": official,
        "chexnet": ("train", "train", "val", "train", "test")[number % 5],
        "boxes": [(label, box) for label, box in boxes if label in found] if official == "test" else [],
    }


def _write_indexes(out: Path, rows: list[Row], people: list[tuple[int, str]]) -> None:
    """v2020 with all findings and numbers for ages; v1 and the sample with fewer findings and texts for ages."""
    new, old, sample = [HEADER], [HEADER + ","], [SAMPLE_HEADER]
    for row in rows:
        age, sex = people[row["number"]]
        before = row["findings"][:-1] if row["number"] % 12 == 1 else row["findings"]  # v2020 added one
        odd = {0: "013M", 1: "014D", 2: "411Y"}.get(row["place"], f"{age:03d}Y")
        new.append(_line(row, row["findings"], str(age), sex))
        old.append(_line(row, before, "414" if row["place"] == 2 else str(age + row["number"] % 2), sex) + ",")
        if row["place"] % 2 == 0 or row["place"] < 3:
            sample.append(_line(row, before, odd, sex))
    for release, lines in (("v2020", new), ("v1", old), ("sample", sample)):
        (out / INDEXES[release]).write_text("\n".join([*lines, ""]))


def _line(row: Row, findings: list[str], age: str, sex: str) -> str:
    visit = row["place"] % 3 + 4 * int(row["name"][9:12])  # not the number in the name
    joined = "|".join(findings) or NOTHING
    return f"{row['name']},{joined},{visit},{row['number'] + 1},{age},{sex},{row['view']},2682,2749,0.143,0.143"


def _write_boxes(path: Path, rows: list[Row]) -> None:
    """Sorted by finding, as the owner has it, not by image."""
    spelled = {new: old for old, new in BOX_SPELLINGS.items()}
    boxes = sorted(
        (spelled.get(label, label), row["name"], *(box[side] * SIDE for side in ("x", "y", "width", "height")))
        for row in rows
        for label, box in row["boxes"]
    )
    if boxes:
        lines = [f"{name},{label},{x!r},{y!r},{width!r},{height!r}" for label, name, x, y, width, height in boxes]
        path.write_text("\n".join([BOX_HEADER, *lines, ""]))


def _digits(findings: list[str]) -> str:
    return " ".join(str(int(name in findings)) for name in LABELS)

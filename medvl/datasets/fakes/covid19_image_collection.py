"""A miniature of the COVID-19 Image Data Collection, in the columns of April 2020 or of the final release."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from medvl.data.dataset import LABEL_PREFIX, PATIENT, STUDY, VIEW
from medvl.datasets.covid19_image_collection.metadata import IMAGES
from medvl.datasets.fakes.image_writers import write_picture
from medvl.datasets.phantom.dataset import Phantom

Row = dict[str, Any]
Release = Literal["april", "final"]

COLUMNS: Mapping[Release, tuple[str, ...]] = {
    "april": (
        "patientid", "offset", "sex", "age", "finding", "survival", "intubated", "went_icu", "needed_supplemental_o2",
        "extubated", "temperature", "pO2 saturation", "leukocyte count", "neutrophil count", "lymphocyte count", "view",
        "modality", "date", "location", "folder", "filename", "doi", " url", "license", "clinical notes", "other notes",
        "",
    ),
    "final": (
        "patientid", "offset", "sex", "age", "finding", "RT_PCR_positive", "survival", "intubated",
        "intubation_present", "went_icu", "in_icu", "needed_supplemental_O2", "extubated", "temperature",
        "pO2_saturation", "leukocyte_count", "neutrophil_count", "lymphocyte_count", "view", "modality", "date",
        "location", "folder", "filename", "doi", "url", "license", "clinical_notes", "other_notes", "",
    ),
}  # fmt: skip

# what a patient has: as April 2020 spells it, as the final release does, and MRM's two labels (None: in no list)
DISEASES = (
    ("COVID-19", "Pneumonia/Viral/COVID-19", 1, 1),
    ("Streptococcus", "Pneumonia/Bacterial/Streptococcus", 0, 0),
    ("COVID-19, ARDS", "Pneumonia/Viral/COVID-19", 1, 1),
    ("SARS", "Pneumonia/Viral/SARS", 0, 1),
    ("Pneumocystis", "Pneumonia/Fungal/Pneumocystis", 0, None),
    ("COVID-19", "Pneumonia/Viral/COVID-19", 1, 1),
    ("No Finding", "No Finding", None, None),
    ("ARDS", "Pneumonia", 0, None),
    ("Unknown", "Unknown", None, None),
    ("todo", "todo", None, None),
)
DATES = ("January 22, 2020", "2020", "")
STRANGER = "covid-19-pneumonia-not-in-the-metadata.jpg"
SUFFIXES = (".png", ".jpg", ".jpeg", ".PNG", ".JPG")


def write(out: Path, *, patients: int, seed: int, release: Release = "final") -> dict[str, object]:
    """`metadata.csv`, `images/` and MRM's lists of phantom radiographs.

    Traps: both spellings of columns (` url`, `clinical notes`, a nameless last column) and of findings; `todo` and
    `Unknown`; CT slices among the radiographs and a volume beside them; laterals and supine views; several images a
    patient with the same notes, some of which name the disease; dates in three forms; blank licences; names with many
    dots and suffixes in either case, one not as the file's own; a list's label `11`; listed files that the metadata
    does not know.

    Args:
        out: the folder to write in.
        patients: phantom patients; each has one to three studies.
        seed: of the phantom.
        release: whose spellings.

    Returns:
        The `data:` parameters that read it.
    """
    out = Path(out)
    phantom = Phantom(patients=patients, seed=seed, resolution=256)
    table = phantom.table()
    pixels = phantom.read_images(table["image"].to_pylist())
    rows = [_row(row, place, release) for place, row in enumerate(table.to_pylist())]
    for place, (row, image) in enumerate(zip(rows, pixels, strict=True)):
        assert not isinstance(image, Exception)
        stored = row["filename"].swapcase() if place == 2 else row["filename"]  # its suffix in the other case
        name = row["filename"].rpartition(".")[0] + "." + stored.rpartition(".")[2]
        write_picture(out / IMAGES / name, image, mode="RGBA" if name.lower().endswith(".png") and place % 3 else "L")
    slices = [rows[place] | _CT | {"filename": f"ct-{place}.png"} for place in range(0, len(rows), 7)]
    for row in slices:
        write_picture(out / IMAGES / row["filename"], phantom.read_image(table["image"][0].as_py()))
    volume = rows[0] | _CT | {"folder": "volumes", "filename": "coronacases_org_001.nii.gz"}
    _write_metadata(out / "metadata.csv", [*rows, *slices, volume], COLUMNS[release])
    write_picture(out / IMAGES / STRANGER, phantom.read_image(table["image"][0].as_py()))
    for task, column in (("covid", "is_covid"), ("viral", "is_viral")):
        _write_lists(out / "mrm" / f"{task}1", task, column, rows)
    return {"name": "covid19_image_collection", "root": str(out)}


_CT = {"modality": "CT", "view": "Axial"}


def _row(row: Row, place: int, release: Release) -> Row:
    patient, study = int(row[PATIENT]), int(row[STUDY].rpartition("s")[2])
    early, late, covid, viral = DISEASES[patient % len(DISEASES)]
    notes = "clinical notes" if release == "april" else "clinical_notes"
    sick = [name for name in ("Pneumonia", "Edema", "Consolidation") if row[LABEL_PREFIX + name] == 1]
    told = f"Fever and cough for {patient % 9 + 1} days, {'and ' + sick[0].lower() if sick else 'no earlier illness'}."
    view = {"LATERAL": "L", "AP": "AP Supine" if place % 3 == 0 else "AP"}.get(row[VIEW], row[VIEW])
    return {
        "patientid": str(patient + 1),
        "offset": "" if patient % 5 == 4 else str(3 * study),
        "sex": ("M", "F", "")[patient % 3],
        "age": "" if patient % 6 == 5 else str(30 + patient % 50),
        "finding": early if release == "april" else late,
        "survival": ("Y", "N", "")[patient % 3],
        "view": view,
        "modality": "X-ray",
        "date": DATES[patient % len(DATES)],
        "folder": IMAGES,
        "filename": f"{patient}.CXRimages.pdf-{place:03d}-fig1a{SUFFIXES[place % len(SUFFIXES)]}",
        "license": "CC BY-NC-SA" if patient % 2 else "",
        notes: (f"Confirmed {early}. " if covid and patient % 4 == 0 else "") + told,
        "is_covid": covid,
        "is_viral": viral,
        "split": "test" if patient % 8 in (0, 1) else "val" if patient % 8 == 3 else "train",
    }


def _write_metadata(path: Path, rows: list[Row], columns: tuple[str, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_lists(folder: Path, task: str, column: str, rows: list[Row]) -> None:
    folder.mkdir(parents=True)
    frontal = [row for row in rows if row["view"] != "L" and row[column] is not None]
    slip = next((row for row in frontal if row["split"] == "test" and row[column] == 1), None)
    for split in ("train", "val", "test"):
        lines = [
            f"{row['filename']} {'11' if row is slip and task == 'viral' else row[column]}"
            for row in frontal
            if row["split"] == split
        ]
        if split == "train":
            lines.append(f"{STRANGER} 1")
        (folder / f"is{task}_{split}.txt").write_text("\n".join(lines) + "\n")

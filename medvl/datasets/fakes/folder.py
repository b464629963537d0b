"""A miniature for `folder`: an index file with whatever columns are asked for, and PNG radiographs beside it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medvl.data.dataset import LABEL_PREFIX, PATIENT, SPLIT, STUDY, VIEW
from medvl.datasets.fakes.frontal_images import draw_frontal
from medvl.datasets.fakes.image_writers import write_picture
from medvl.datasets.phantom.cases import LABELS

INDEX, IMAGES = "index.csv", "images"
_KEYS = {"patient_column": PATIENT, "study_column": STUDY, "view_column": VIEW, "split_column": SPLIT}
_TEXTS = ("findings", "impression", "indication")
_PLAIN: dict[str, Any] = {
    "label_columns": ["Cardiomegaly", "Edema", "Pleural Effusion"],
    "text_columns": ["findings", "indication"],
    **_KEYS,
}


def write(out: Path, *, patients: int, seed: int, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An index and its images.

    A label that the phantom has keeps its meaning; any other is given one of the phantom's findings in turn, and a text
    column one of its report sections.

    Args:
        out: an empty folder.
        patients: how many; one to three radiographs each.
        seed: of everything drawn.
        like: `data:` parameters of a `folder`, whose columns the index gets; a usual set of columns where None.
    """
    columns = dict(_PLAIN if like is None else like)
    drawn = draw_frontal(patients, seed, resolution=128)
    rows = []
    for number, (case, pixels) in enumerate(zip(drawn.table.to_pylist(), drawn.pixels, strict=True)):
        name = f"{IMAGES}/{number:04d}.png"
        write_picture(out / name, pixels)
        rows.append(_row(columns, name, number, case))
    with (out / INDEX).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    kept = {key: columns[key] for key in _PLAIN if columns.get(key)} if like is None else {}
    return {"name": "folder", "path": str(out / INDEX), "root": str(out), "encoding": "utf-8", **kept}


def _row(columns: Mapping[str, Any], image: str, number: int, case: dict[str, Any]) -> dict[str, Any]:
    """One line of the index, by column name."""
    row = {str(columns.get("image_column") or "image"): image}
    for key, field in _KEYS.items():
        if columns.get(key):
            row[columns[key]] = case[field]
    views = _views(columns)
    if columns.get("view_column") and views:  # a cohort's own spelling of its views
        row[columns["view_column"]] = views[number % len(views)]
    for place, name in enumerate(columns.get("text_columns") or ()):
        row[name] = case[f"text.{_TEXTS[place % len(_TEXTS)]}"] or ""
    for name, label in _meanings(columns.get("label_columns") or ()):
        row[name] = case[LABEL_PREFIX + label]
    if columns.get("label_list_column"):
        present = [n for n, label in _meanings(columns.get("label_names") or ()) if case[LABEL_PREFIX + label] == 1]
        row[columns["label_list_column"]] = str(columns.get("label_separator") or "|").join(present or ["none"])
    return row


def _views(columns: Mapping[str, Any]) -> list[str]:
    chosen = (columns.get("only") or {}).get("view") or ()
    return [chosen] if isinstance(chosen, str) else list(chosen)


def _meanings(names: Sequence[str]) -> list[tuple[str, str]]:
    """Each of the user's labels with the phantom's finding that stands behind it."""
    seen = LABELS[1:]  # `No Finding` is never denied
    return [(name, name if name in seen else seen[place % len(seen)]) for place, name in enumerate(names)]

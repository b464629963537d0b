"""The index files of the RSNA pneumonia challenge, each as columns by image id."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.boxes import box_column
from medvl.data.dataset import AGE, BOXES, LABEL_PREFIX, SEX, VIEW
from medvl.data.patients import codes_of
from medvl.data.table_file import place_of, read_columns
from medvl.datasets.ages import ages_of_cells, sexes_of_cells
from medvl.errors import DataError

LABELS = "stage_2_train_labels.csv"
CLASS_INFO = "stage_2_detailed_class_info.csv"
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
HEADERS = "kaggle_stage_2_train_images_dicom_headers.csv.gz"

PNEUMONIA = "Pneumonia"
CLASSES = ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")  # the last is what boxes mark
SIDE = 1024  # pixels of every image, and of the boxes' coordinates
SIDES = ("x", "y", "width", "height")


def labelled_images(path: Path, box_label: str) -> pa.Table:
    """`stage_2_train_labels.csv`, one row an image in order of first appearance: `id`, `label.Pneumonia`, `boxes`.

    Args:
        path: the file.
        box_label: what the boxes are of.

    Raises:
        DataError: a Target that is not 0 or 1, a box on a negative row or none on a positive one; names the line.
    """
    cells = read_columns(path, ["patientId", *SIDES, "Target"])
    targets = pc.index_in(cells.column("Target"), pa.array(["0", "1"]))
    try:
        corners = np.column_stack([np.asarray(cells.column(side).cast(pa.float64())) for side in SIDES])
    except pa.ArrowInvalid:
        raise DataError(f"{path}: a box's {', '.join(SIDES)} are not all numbers. do: fetch the file again") from None
    boxed = np.isfinite(corners).all(1)
    bad = np.asarray(pc.is_null(targets)) | np.asarray(pc.is_null(cells.column("patientId")))
    bad |= boxed != (np.asarray(pc.fill_null(targets, 0)) == 1)
    if bad.any():
        raise DataError(
            f"{path}: {place_of(path, int(np.argmax(bad)))} is not an image with Target 1 and a box, or Target 0 and "
            f"none, as {bad.sum()} rows in all. do: fetch the file again"
        )
    image, ids = codes_of(cells.column("patientId"))
    positive = np.zeros(len(ids), np.int8)
    positive[image[boxed]] = 1
    names = np.full(int(boxed.sum()), box_label, object)
    boxes = box_column(len(ids), image[boxed], names, corners[boxed] / SIDE)
    return pa.table({"id": ids, LABEL_PREFIX + PNEUMONIA: pa.array(positive), BOXES: boxes})


def with_classes(table: pa.Table, path: Path) -> pa.Table:
    """The three classes of `stage_2_detailed_class_info.csv` (a row a box, here too) in place of the one label."""
    cells = read_columns(path, ["patientId", "class"])
    pairs = cells.group_by(["patientId", "class"]).aggregate([])
    known = pc.is_in(pairs.column("class"), pa.array(CLASSES))
    if not pc.all(known).as_py():
        row = pc.index(pc.is_in(cells.column("class"), pa.array(CLASSES)), False).as_py()
        raise DataError(
            f"{path}: {place_of(path, row)}, column 'class': is none of {'; '.join(CLASSES)}. do: fetch it again"
        )
    if pc.count_distinct(pairs.column("patientId")).as_py() != pairs.num_rows:
        raise DataError(f"{path}: some images have two classes. do: fetch the file again")
    classes = pairs.column("class").take(_rows(pairs.column("patientId"), table.column("id"), path))
    columns = {LABEL_PREFIX + name: pc.equal(classes, name).cast(pa.int8()) for name in CLASSES}
    return pa.table({"id": table.column("id"), **columns, BOXES: table.column(BOXES)})


def headers(path: Path, ids: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """`view` (PA, AP), `age` and `sex` from a table of DICOM headers; null for images that it does not hold."""
    cells = read_columns(path, ["PatientID", "ViewPosition", "PatientAge", "PatientSex"])
    rows = pc.index_in(ids, cells.column("PatientID"))
    columns = {
        VIEW: cells.column("ViewPosition"),
        AGE: ages_of_cells(cells.column("PatientAge")),
        SEX: sexes_of_cells(cells.column("PatientSex")),
    }
    return {name: column.take(rows) for name, column in columns.items()}


def patients(path: Path, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """The NIH patient of each image: the first part of `img_id`, as in `00000013_005.png`.

    Raises:
        DataError: not RSNA's mapping, or an image that is not in it.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        known = pa.array([entry["subset_img_id"] for entry in entries], pa.string())
        names = pa.array([entry["img_id"] for entry in entries], pa.string())
    except (ValueError, KeyError, TypeError, pa.ArrowException):
        raise DataError(f"{path}: is not a list of objects with subset_img_id and img_id. do: fetch it again") from None
    parts = pc.extract_regex(names.take(_rows(known, ids, path)), pattern=r"^(?P<patient>\d+)_\d+\.png$")
    if parts.null_count:
        raise DataError(f"{path}: {parts.null_count} img_id are not spelled as 00000013_005.png. do: fetch it again")
    return pc.struct_field(parts, "patient")


def _rows(known: pa.ChunkedArray | pa.Array, ids: pa.ChunkedArray, path: Path) -> pa.ChunkedArray:
    """Where each id stands among `known`."""
    rows = pc.index_in(ids, known if isinstance(known, pa.Array) else known.combine_chunks())
    if rows.null_count:
        raise DataError(f"{path}: lacks {rows.null_count} of {len(ids)} images. do: fetch the file of the same stage")
    return rows

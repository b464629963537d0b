"""What the cells of NIH ChestX-ray14's index files mean: findings, patients, boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import AGE, IMAGE, LABEL_PREFIX, PATIENT, SEX, STUDY, VIEW
from medvl.data.table_file import column_names, place_of, read_columns
from medvl.datasets.ages import ages_of_cells, sexes_of_cells
from medvl.datasets.folder.cells import labels_in_lists
from medvl.errors import DataError, unknown

# In the order of Wang et al. 2017, which CheXNet's and MRM's lists keep.
LABELS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
NOTHING = "No Finding"
SIDE = 1024  # pixels; boxes count in them, whatever size the images were copied to
BOX_SPELLINGS = {"Infiltrate": "Infiltration"}  # BBox_List_2017.csv -> the index files
_BOX_COLUMNS = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")
_BOX = pa.struct([("label", pa.string())] + [(side, pa.float32()) for side in ("x", "y", "width", "height")])


def read_index(path: Path) -> pa.Table:
    """An index file of any release as a study table without splits and boxes.

    Raises:
        DataError: not such a file; a finding that is none of the fourteen, with its line.
    """
    sex = next((name for name in ("Patient Gender", "Patient Sex") if name in column_names(path)), "Patient Gender")
    names = ("Image Index", "Patient ID", "Follow-up #", "View Position", "Finding Labels", "Patient Age", sex)
    cells = read_columns(path, names)
    image, patient, visit, view, findings, age, sex_cells = cells.columns
    _require_complete(path, cells)
    labels = _labels(path, findings)
    study = pc.binary_join_element_wise(patient, visit, "/")  # not the number in the image's name: 24,106 differ
    columns = {IMAGE: image, PATIENT: patient, STUDY: study, VIEW: view}
    columns |= {AGE: ages_of_cells(age), SEX: sexes_of_cells(sex_cells)}
    return pa.table(columns | {LABEL_PREFIX + name: column for name, column in labels.items()})


def _require_complete(path: Path, cells: pa.Table) -> None:
    for name in ("Image Index", "Patient ID", "Finding Labels"):
        if cells.column(name).null_count:
            row = pc.index(pc.is_null(cells.column(name)), True).as_py()
            raise DataError(f"{path}: {place_of(path, row)}, column '{name}': is blank. do: fetch the file again")
    distinct = pc.count_distinct(cells.column("Image Index")).as_py()
    if distinct != len(cells):
        raise DataError(f"{path}: has {len(cells)} rows for {distinct} images. do: fetch the file again")


def _labels(path: Path, findings: pa.ChunkedArray) -> dict[str, pa.Array]:
    """Joined names (`Cardiomegaly|Emphysema`, `No Finding`) -> 1 where named, else 0."""
    known = (*LABELS, NOTHING)
    for cell in pc.unique(findings).to_pylist():
        for name in cell.split("|"):
            if name.strip() not in known:
                row = pc.index(findings, cell).as_py()
                raise DataError(f"{path}: {place_of(path, row)}: {unknown('finding', name.strip(), known)}")
    return labels_in_lists(findings, LABELS, "|")


def read_boxes(path: Path, images: pa.ChunkedArray) -> pa.Array:
    """`BBox_List_2017.csv` as the table's `boxes`: for each of `images` its boxes, an empty list where it has none.

    Raises:
        DataError: not such a file.
    """
    cells = read_columns(path, _BOX_COLUMNS)
    row = np.asarray(pc.fill_null(pc.index_in(cells.column("Image Index"), images.combine_chunks()), -1))
    order = np.argsort(row, kind="stable")[(row < 0).sum() :]  # boxes of images that are not in the index are left out
    label = cells.column("Finding Label").combine_chunks()
    for old, new in BOX_SPELLINGS.items():
        label = pc.if_else(pc.equal(label, old), new, label)
    sides = [_fractions(path, cells.column(name)).take(pa.array(order)) for name in _BOX_COLUMNS[2:]]
    boxes = pa.StructArray.from_arrays([label.take(pa.array(order)), *sides], fields=list(_BOX))
    offsets = np.searchsorted(row[order], np.arange(len(images) + 1))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), boxes)


def _fractions(path: Path, column: pa.ChunkedArray) -> pa.Array:
    try:
        return pc.divide(column.combine_chunks().cast(pa.float64()), SIDE).cast(pa.float32())
    except pa.ArrowInvalid:
        raise DataError(f"{path}: a side of a box is not a number. do: fetch the file again") from None

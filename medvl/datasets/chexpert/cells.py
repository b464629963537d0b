"""What the cells of CheXpert's index files mean: paths, views, findings, who is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import AGE, IMAGE, LABEL_PREFIX, PATIENT, SEX, STUDY, VIEW
from medvl.data.table_file import column_names, place_of, read_columns
from medvl.datasets.ages import ages_of_cells, sexes_of_cells
from medvl.datasets.folder.cells import BadCell, labels_of_cells
from medvl.errors import DataError

# In the order of train.csv, which is neither MIMIC's nor the labeler's.
LABELS = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
    "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture",
    "Support Devices",
)  # fmt: skip
KEYS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")
_PARTS = r"(?P<image>(?:train|valid)/(?P<study>(?P<patient>patient\d+)/study\d+)/[^/]+)$"


def read_index(path: Path) -> pa.Table:
    """`train.csv` or `valid.csv` as a study table without splits.

    Raises:
        DataError: not such a file; a cell that cannot be understood, with its line.
    """
    # Copies in circulation have blanks of the headers turned into underscores.
    spelled = {name.replace("_", " "): name for name in column_names(path)}
    cells = read_columns(path, [spelled.get(name, name) for name in (*KEYS, *LABELS)])
    cells = cells.rename_columns([*KEYS, *LABELS])
    columns = _named(path, cells.column("Path"))
    columns[VIEW] = _views(path, cells.column("Frontal/Lateral"), cells.column("AP/PA"))
    age = ages_of_cells(cells.column("Age"))
    columns[AGE] = pc.if_else(pc.equal(age, 0), pa.scalar(None, pa.int16()), age)  # all patients are adults
    columns[SEX] = sexes_of_cells(cells.column("Sex"))
    for name in LABELS:
        try:
            columns[LABEL_PREFIX + name] = labels_of_cells(cells.column(name))
        except BadCell as error:
            raise DataError(f"{path}: {place_of(path, error.row)}, column '{name}': {error}") from None
    return pa.table(columns)


def references_of(paths: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Paths with any prefix (`CheXpert-v1.0-small/`, `/nas/public/`) -> from `train/` or `valid/` on, else null."""
    return pc.struct_field(pc.extract_regex(paths, _PARTS), "image")


def _named(path: Path, paths: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """Image, patient and study (`patient00001/study1`: study numbers start anew with each patient)."""
    parts = pc.extract_regex(paths, _PARTS)
    if parts.null_count:
        row = pc.index(pc.is_null(parts), True).as_py()
        raise DataError(
            f"{path}: {place_of(path, row)}, column 'Path': is not of the form "
            f"'.../train/patient00001/study1/view1_frontal.jpg', as in {parts.null_count} rows in all. do: take the "
            "file as it was distributed"
        )
    columns = {name: pc.struct_field(parts, name) for name in (IMAGE, PATIENT, STUDY)}
    distinct = pc.count_distinct(columns[IMAGE]).as_py()
    if distinct != len(paths):
        raise DataError(f"{path}: has {len(paths)} rows for {distinct} images. do: take the file as it was distributed")
    return columns


def _views(path: Path, sides: pa.ChunkedArray, projections: pa.ChunkedArray) -> pa.ChunkedArray:
    """`LATERAL`, `AP`, `PA`, or `FRONTAL` where a frontal's projection is blank or, as on 17 rows, a lateral's."""
    lateral, frontal = pc.equal(sides, "Lateral"), pc.equal(sides, "Frontal")
    known = pc.fill_null(pc.or_(lateral, frontal), False)
    if not pc.all(known).as_py():
        row = int(np.argmin(np.asarray(known)))
        raise DataError(f"{path}: {place_of(path, row)}, column 'Frontal/Lateral': neither Frontal nor Lateral")
    told = pc.is_in(projections, pa.array(["AP", "PA"]))
    return pc.if_else(lateral, pa.scalar("LATERAL"), pc.if_else(told, projections, pa.scalar("FRONTAL")))

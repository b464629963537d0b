"""`metadata.csv` of the COVID-19 Image Data Collection, whose columns changed from release to release."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.table_file import column_names, place_of, read_columns
from medvl.errors import DataError, unknown

NEEDED = ("patientid", "finding", "view", "filename")
OPTIONAL = ("offset", "sex", "age", "modality", "folder", "clinical_notes")
OLDER = {"notes": "clinical_notes"}  # March 2020

IMAGES = "images"
# as the collection spells them -> as the study table does
VIEWS = {"PA": "PA", "AP": "AP", "AP SUPINE": "AP", "APS": "AP", "AP ERECT": "AP", "L": "LATERAL", "LATERAL": "LATERAL"}


def read_metadata(path: Path, encoding: str) -> pa.Table:
    """The columns `NEEDED` and `OPTIONAL` of any release, all strings; an optional one that is not there is null.

    `Patientid` (March 2020), `clinical notes` (April 2020) and `clinical_notes` (final) are the same; the leading blank
    of ` url` and the nameless last columns do not matter. `folder` is `images` where nothing is said, `view` is spelled
    as in `VIEWS` (null for views that no radiograph has).

    Raises:
        DataError: no such file or column, or a row without patient or file (names the line).
    """
    spelled: dict[str, str] = {}
    for name in column_names(path, encoding=encoding):
        meaning = name.lower().replace(" ", "_")
        spelled.setdefault(OLDER.get(meaning, meaning), name)
    missing = [name for name in NEEDED if name not in spelled]
    if missing:
        raise DataError(f"{path}: {unknown('column', missing[0], [name for name in spelled if name])}")
    found = [name for name in (*NEEDED, *OPTIONAL) if name in spelled]
    cells = read_columns(path, [spelled[name] for name in found], encoding=encoding).rename_columns(found)
    for name in ("patientid", "filename"):
        if cells.column(name).null_count:
            line = place_of(path, pc.index(pc.is_null(cells.column(name)), True).as_py(), encoding)
            raise DataError(f"{path}: {line}, column '{spelled[name]}': is blank. do: fill it in, or take the row out")
    columns = {name: cells.column(name) for name in found}
    columns |= {name: pa.nulls(cells.num_rows, pa.string()) for name in OPTIONAL if name not in found}
    columns["folder"] = pc.fill_null(columns["folder"], IMAGES)
    places = pc.index_in(pc.utf8_upper(columns["view"]), pa.array(list(VIEWS)))
    columns["view"] = pa.array(list(VIEWS.values())).take(places)
    return _first_of_each_file(pa.table(columns))


def radiographs(metadata: pa.Table) -> np.ndarray:
    """(N,) bool: the X-rays. CT slices lie in the same folder; where no modality is said, the view tells."""
    modality = pc.utf8_lower(metadata.column("modality"))
    xray = pc.coalesce(pc.is_in(modality, pa.array(["x-ray", "xray"])), pa.scalar(False))
    unsaid = pc.and_(pc.is_null(modality), pc.is_valid(metadata.column("view")))
    flat = pc.equal(metadata.column("folder"), IMAGES)
    return np.asarray(pc.and_(pc.or_(xray, unsaid), flat))


def _first_of_each_file(table: pa.Table) -> pa.Table:
    names = pc.utf8_lower(table.column("filename"))
    first = np.unique(np.asarray(pc.dictionary_encode(names).combine_chunks().indices), return_index=True)[1]
    return table.take(pa.array(np.sort(first)))

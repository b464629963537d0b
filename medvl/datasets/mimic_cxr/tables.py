"""MIMIC-CXR's tables: found with or without compression, read, and joined by number, never by position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.source import Source
from medvl.data.table_file import place_of, read_columns
from medvl.datasets.folder.cells import BadCell
from medvl.errors import DataError

STEM = "mimic-cxr-2.0.0-"


def table_file(folder: Path, name: str) -> Path:
    """`mimic-cxr-2.0.0-NAME.csv` where it was unpacked, else `.csv.gz`."""
    plain = folder / f"{STEM}{name}.csv"
    return plain if plain.is_file() else folder / f"{STEM}{name}.csv.gz"


def read_source(source: Source, names: Sequence[str]) -> pa.Table:
    """The named columns of a file, as strings (see `medvl.data.table_file.read_columns`).

    Raises:
        DataError: it is not there, and where it is obtained; or it cannot be read.
    """
    require(source)
    return read_columns(source.path, names)


def require(source: Source) -> Path:
    """The path of what must be there.

    Raises:
        DataError: it is not; says what it is and where it is obtained.
    """
    if not source.present:
        raise DataError(f"{source.path}: is not there; needed for {source.what}. do: obtain it from {source.where}")
    return source.path


def complete(path: Path, rows: pa.Table, name: str) -> pa.ChunkedArray:
    """A column in which no cell may be blank.

    Raises:
        DataError: one is, with its line.
    """
    column = rows.column(name)
    if column.null_count:
        line = place_of(path, pc.index(pc.is_null(column), True).as_py())
        raise DataError(f"{path}: {line}, column '{name}': is blank. do: fetch the file again")
    return column


def parsed(path: Path, rows: pa.Table, name: str, parse: Callable[[pa.ChunkedArray], pa.Array]) -> pa.Array:
    """What a column's cells mean.

    Raises:
        DataError: a cell means nothing, with its line.
    """
    try:
        return parse(rows.column(name))
    except BadCell as error:
        raise DataError(f"{path}: {place_of(path, error.row)}, column '{name}': {error}") from None


def places_of(keys: pa.ChunkedArray, rows: pa.Table, path: Path, *, needed: bool = False) -> pa.Array:
    """Where each key stands in the first column of `rows`, null where it does not.

    Raises:
        DataError: a key stands there twice; or, where `needed`, one does not stand there at all.
    """
    name = rows.column_names[0]
    known = complete(path, rows, name).combine_chunks()
    distinct = pc.count_distinct(known).as_py()
    if distinct < len(known):
        raise DataError(
            f"{path}: {len(known) - distinct} rows repeat a '{name}' of a row before. do: fetch the file again"
        )
    places = pc.index_in(keys, known)
    if needed and places.null_count:
        raise DataError(
            f"{path}: {places.null_count} of {len(keys)} images have no row there. do: take metadata and split of one "
            "release"
        )
    return places.combine_chunks()

"""The canonical study table on disk: built once, kept as an Arrow file, opened by memory map in every process."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from medvl.data.cache import cache_folder
from medvl.data.dataset import IMAGE, PATIENT, STUDY, TEXT_PREFIX, VIEW, Dataset
from medvl.errors import DataError
from medvl.files import remove_leftovers, write_atomic
from medvl.lock import hold

FILE = "table.arrow"
FORMAT = 1  # raise when the file of an unchanged dataset must be written anew
REQUIRED = (IMAGE, PATIENT, STUDY, VIEW)

_KEY = b"medvl.table"
_LONGEST = 2**31 - 1  # bytes that the 32-bit offsets of a string column reach


def open_table(dataset: Dataset) -> pa.Table:
    """The dataset's study table, memory-mapped: opening costs the same for any number of rows, and pages that many
    processes read are in memory once.

    `dataset.table()` is asked only where the cache folder holds no table of this `table_fingerprint` and this code. In
    the file each column is one chunk, texts of nothing but blanks are null, and a string column beyond 2 GB has 64-bit
    offsets (`large_string`). Two processes may call at once; one builds.

    Raises:
        DataError: see `Dataset.table`; a column that every table has is missing; the index changed while it was read.
    """
    key = _key(dataset)
    return kept_table(cache_folder("tables", key) / FILE, key, lambda: _read(dataset, key))


def kept_table(path: Path, key: str, make: Callable[[], pa.Table]) -> pa.Table:
    """A table that is kept in a file, memory-mapped; it is made where the file is missing or holds another.

    Args:
        path: of the file; two processes may call at once.
        key: names the content, and becomes the `table_key`.
        make: gives the table.
    """
    table = _opened(path, key)
    if table is None:
        with hold(path.parent, wait=True):
            table = _opened(path, key)  # another process may have made it meanwhile
            if table is None:
                remove_leftovers(path.parent)
                _write(make(), key, path)
                table = _opened(path, key)
    assert table is not None, f"{path} has just been written"
    return table


def table_key(table: pa.Table) -> str:
    """What names the content of a table that `open_table` gave; caches of what is computed from it are keyed by this.

    Raises:
        KeyError: the table did not come from there.
    """
    return (table.schema.metadata or {})[_KEY].decode()


def _key(dataset: Dataset) -> str:
    kind = type(dataset)
    known = repr((FORMAT, kind.__qualname__, dataset.table_fingerprint()))
    return hashlib.blake2b(known.encode() + _source_of(kind), digest_size=8).hexdigest()


@cache
def _source_of(reader: type[Dataset]) -> bytes:
    """A hash of the code that reads a table: the files of the reader's classes, and what lies beside them."""
    digest = hashlib.blake2b(digest_size=8)
    for kind in reader.__mro__:
        module = sys.modules.get(kind.__module__) if issubclass(kind, Dataset) else None
        if module is not None and module.__file__ is not None:
            file = Path(module.__file__)
            for path in sorted(file.parent.glob("*.py")) if module.__package__ else [file]:
                digest.update(path.read_bytes())
    return digest.digest()


def _opened(path: Path, key: str) -> pa.Table | None:
    """The table where it is there and whole."""
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path), "r")).read_all()
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return table if (table.schema.metadata or {}).get(_KEY) == key.encode() else None


def _read(dataset: Dataset, key: str) -> pa.Table:
    table = dataset.table()
    name = type(dataset).__name__
    missing = [column for column in REQUIRED if column not in table.column_names]
    if missing:
        raise DataError(f"{name}: the study table has no column {', '.join(missing)}. do: see medvl.Dataset.table")
    if _key(dataset) != key:
        raise DataError(f"{name}: its index files changed while they were read. do: run again when they are at rest")
    return table


def _write(table: pa.Table, key: str, path: Path) -> None:
    columns = {column: _stored(column, table.column(column)) for column in table.column_names}
    batch = pa.RecordBatch.from_pydict(columns)
    batch = batch.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: key.encode()})

    def write(file: BinaryIO) -> None:
        with pa.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)

    write_atomic(path, write)


def _stored(name: str, column: pa.ChunkedArray) -> pa.Array:
    """A column as one chunk: any row is then found without a search, and fixed widths are plain arrays."""
    if name.startswith(TEXT_PREFIX):
        blank = pc.equal(pc.utf8_trim_whitespace(column), "")
        column = pc.if_else(blank, pa.scalar(None, column.type), column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_string() if column.nbytes > _LONGEST else pa.string())
    return one_array(column)


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array; that of a table which `open_table` gave is not copied."""
    chunks = column.combine_chunks()
    return chunks if isinstance(chunks, pa.Array) else pa.concat_arrays(chunks.chunks)

"""What an evaluator lists case by case, as Parquet: the ranked neighbours of each query."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medvl.errors import DataError
from medvl.files import write_atomic


def listing_name(listing: str, split: str) -> str:
    """What a list of a split is called in the stage's folder: `retrieved-test`, with `.parquet` behind it."""
    return f"{listing}-{split}"


def read_listing(path: Path) -> dict[str, np.ndarray] | None:
    """The columns of such a file; None where there is none.

    Raises:
        DataError: the file cannot be read.
    """
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"'{path}' cannot be read: {error}. do: delete it, or evaluate the stage again") from error
    return {name: table[name].to_numpy() for name in table.column_names}


def write_listing(path: Path, columns: Mapping[str, np.ndarray]) -> Path:
    """Write the columns, of one length each, atomically; numbers of rows stand for cases, and no text is written."""
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    return write_atomic(path, lambda file: pq.write_table(table, file, compression="zstd"))

"""The cases that a stage learned from, kept beside its results: which rows, and hashes of which images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medvl.data.dataset import IMAGE
from medvl.files import write_atomic
from medvl.runs.hashing import pseudonym

ROWS = 1 << 16  # written at a time

_SCHEMA = pa.schema([("row", pa.int64()), ("case", pa.string())])


def write_subset(path: Path, table: pa.Table, rows: np.ndarray) -> str:
    """Write a Parquet file of `row` and `case`, the hash of the image reference, as in the files of predictions.

    Args:
        path: the file to make or replace, atomically.
        table: the study table that the rows count in.
        rows: (n,) int64.

    Returns:
        16 hexadecimal digits, equal where the same images were taken in the same order.
    """
    digest = hashlib.blake2b(digest_size=8)
    images = table.column(IMAGE)

    def write(file: object) -> None:
        with pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
            for start in range(0, len(rows), ROWS):
                part = rows[start : start + ROWS]
                cases = [pseudonym(image) for image in images.take(pa.array(part)).to_pylist()]
                digest.update("".join(cases).encode())
                writer.write_table(pa.table([pa.array(part), pa.array(cases, pa.string())], schema=_SCHEMA))

    write_atomic(path, write)
    return digest.hexdigest()

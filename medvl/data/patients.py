"""Patients of a study table as numbers, and orders and shares of ids that a seed fixes for ever."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import PATIENT, SPLITS
from medvl.errors import DataError


def patients_of(table: pa.Table) -> tuple[np.ndarray, pa.Array]:
    """(codes, ids): (N,) int64 code of each row's patient, and the id of each code, in order of first appearance."""
    return codes_of(table.column(PATIENT))


def codes_of(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """(codes, values) of a string column: (N,) int64, and the distinct strings they number."""
    encoded = pc.dictionary_encode(column.cast(pa.string())).combine_chunks()
    return np.asarray(encoded.indices).astype(np.int64), encoded.dictionary


def keyed_hashes(ids: pa.Array, seed: int, purpose: str) -> np.ndarray:
    """(U,) uint64, uniform, one for each id: a function of the id, the seed and the purpose alone.

    So an id keeps its place whatever else the table holds, on every machine.
    """
    key = hashlib.blake2b(f"{purpose} {seed}".encode(), digest_size=32).digest()
    digests = (hashlib.blake2b(name.encode(), digest_size=8, key=key).digest() for name in ids.to_pylist())
    return np.frombuffer(b"".join(digests), "<u8")


def require_disjoint(table: pa.Table, splits: np.ndarray) -> None:
    """Refuse a patient on two sides of a split.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`.

    Raises:
        DataError: says how many patients, and names the first by a hash of their id, never by the id.
    """
    codes, ids = patients_of(table)
    cells = np.bincount(codes * len(SPLITS) + splits, minlength=len(ids) * len(SPLITS)).reshape(-1, len(SPLITS))
    shared = np.flatnonzero((cells > 0).sum(1) > 1)
    if len(shared) == 0:
        return
    named = []
    for code in shared[:5]:
        sides = " and ".join(side for side, count in zip(SPLITS, cells[code], strict=True) if count)
        named.append(f"  {id_hash(ids[int(code)].as_py())} in {sides}")
    raise DataError(
        f"{len(shared)} patients are on two sides of the split (ids hashed with medvl.data.patients.id_hash):\n"
        + "\n".join(named)
        + "\ndo: move each patient to one side, or leave the split column out and let `splits` draw one by patient"
    )


def id_hash(patient: str) -> str:
    """What stands for a patient's id in errors and logs."""
    return hashlib.blake2b(patient.encode(), digest_size=6).hexdigest()

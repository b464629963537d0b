"""Patients of a study table as numbers, and the rule that none is on two sides of a split."""

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
    encoded = pc.dictionary_encode(column).combine_chunks()
    return np.asarray(encoded.indices).astype(np.int64), encoded.dictionary


def on_two_sides(table: pa.Table, splits: np.ndarray) -> tuple[int, int, list[str]]:
    """(patients on two sides, patients, the first five of the former: `HASH in train and test`).

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`; rows of -1 are on none.
    """
    codes, ids = patients_of(table)
    placed = splits >= 0
    cells = np.bincount(codes[placed] * len(SPLITS) + splits[placed], minlength=len(ids) * len(SPLITS))
    counts = cells.reshape(-1, len(SPLITS))  # images of each patient on each side
    shared = np.flatnonzero((counts > 0).sum(1) > 1)  # codes of patients
    examples = []
    for code in shared[:5]:
        sides = " and ".join(side for side, count in zip(SPLITS, counts[code], strict=True) if count)
        examples.append(f"{id_hash(ids[int(code)].as_py())} in {sides}")
    return len(shared), len(ids), examples


def require_disjoint(table: pa.Table, splits: np.ndarray) -> None:
    """Refuse a patient on two sides of a split.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`.

    Raises:
        DataError: says how many patients, and names the first by a hash of their id, never by the id.
    """
    shared, _, examples = on_two_sides(table, splits)
    if not shared:
        return
    raise DataError(
        f"{shared} patients are on two sides of the split (ids hashed with medvl.data.patients.id_hash):\n  "
        + "\n  ".join(examples)
        + "\ndo: move each patient to one side, or leave the split column out and let `splits` draw one by patient"
    )


def id_hash(patient: str) -> str:
    """What stands for a patient's id in errors and logs."""
    return hashlib.blake2b(patient.encode(), digest_size=6).hexdigest()

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


def sides_of_patients(table: pa.Table, splits: np.ndarray) -> tuple[np.ndarray, pa.Array]:
    """How many images each patient has on each side.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`; rows of -1 are on none.

    Returns:
        (U, 3) int64 counts in the order of `SPLITS`, and the ids of the U patients.
    """
    codes, ids = patients_of(table)
    placed = splits >= 0
    cells = np.bincount(codes[placed] * len(SPLITS) + splits[placed], minlength=len(ids) * len(SPLITS))
    return cells.reshape(-1, len(SPLITS)), ids


def require_disjoint(table: pa.Table, splits: np.ndarray) -> None:
    """Refuse a patient on two sides of a split.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`.

    Raises:
        DataError: says how many patients, and names the first by a hash of their id, never by the id.
    """
    counts, ids = sides_of_patients(table, splits)
    shared = np.flatnonzero((counts > 0).sum(1) > 1)
    if len(shared) == 0:
        return
    named = []
    for code in shared[:5]:
        sides = " and ".join(side for side, count in zip(SPLITS, counts[code], strict=True) if count)
        named.append(f"  {id_hash(ids[int(code)].as_py())} in {sides}")
    raise DataError(
        f"{len(shared)} patients are on two sides of the split (ids hashed with medvl.data.patients.id_hash):\n"
        + "\n".join(named)
        + "\ndo: move each patient to one side, or leave the split column out and let `splits` draw one by patient"
    )


def leak_note(table: pa.Table, splits: np.ndarray, split_by: str) -> str | None:
    """A sentence about patients on two sides of a split that is not by patient; None where there are none.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`; rows of -1 are on none.
        split_by: what the split divides (`Dataset.split_by`).
    """
    counts, _ = sides_of_patients(table, splits)
    shared = counts[(counts > 0).sum(1) > 1]
    if len(shared) == 0:
        return None
    numbers = ", ".join(
        f"{(shared[:, place] > 0).sum()} in {side}" for place, side in enumerate(SPLITS) if shared[:, place].any()
    )
    return (
        f"the split is by {split_by}: {len(shared)} of {len(counts)} patients are on more than one side ({numbers}); "
        "what is measured there is partly memory of the patient"
    )


def id_hash(patient: str) -> str:
    """What stands for a patient's id in errors and logs."""
    return hashlib.blake2b(patient.encode(), digest_size=6).hexdigest()

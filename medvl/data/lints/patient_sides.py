"""Lint: the same patient on two sides of a split, so that a model is tested on whom it has learned from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from medvl.data.dataset import SPLITS, SplitBy
from medvl.data.lints.finding import PATIENT_SIDES, SHOWN, Finding
from medvl.data.patients import id_hash, sides_of_patients


def patients_on_two_sides(table: pa.Table, splits: np.ndarray, split_by: SplitBy) -> list[Finding]:
    """At most one finding that counts the patients and names some by hash.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`; rows of -1 are on none.
        split_by: what the dataset's own split divides. By patient it is an error, else known and a warning.
    """
    counts, ids = sides_of_patients(table, splits)
    shared = np.flatnonzero((counts > 0).sum(1) > 1)  # codes of patients
    if len(shared) == 0:
        return []
    examples = []
    for code in shared[:SHOWN]:
        sides = " and ".join(side for side, count in zip(SPLITS, counts[code], strict=True) if count)
        examples.append(f"{id_hash(ids[int(code)].as_py())} in {sides}")
    return [
        Finding(
            PATIENT_SIDES,
            "error" if split_by == "patient" else "warning",
            f"{len(shared):,} of {len(ids):,} patients are on two sides of the split, which divides {split_by}s; what "
            "is measured there is partly memory of the patient",
            "take a split by patient",
            tuple(examples),
        )
    ]

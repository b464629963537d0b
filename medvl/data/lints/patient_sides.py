"""Lint: the same patient on two sides of a split, so that a model is tested on whom it has learned from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from medvl.data.dataset import SplitBy
from medvl.data.lints.finding import PATIENT_SIDES, Finding
from medvl.data.patients import on_two_sides


def patients_on_two_sides(table: pa.Table, splits: np.ndarray, split_by: SplitBy) -> list[Finding]:
    """At most one finding that counts the patients and names some by hash.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`; rows of -1 are on none.
        split_by: what the dataset's own split divides. By patient it is an error, else known and a warning.
    """
    shared, patients, examples = on_two_sides(table, splits)
    if not shared:
        return []
    return [
        Finding(
            PATIENT_SIDES,
            "error" if split_by == "patient" else "warning",
            f"{shared:,} of {patients:,} patients are on two sides of the split, which divides {split_by}s; what "
            "is measured there is partly memory of the patient",
            "take a split by patient",
            tuple(examples),
        )
    ]

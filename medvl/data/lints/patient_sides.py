"""Lint: the same patient on two sides of a split, so that a model is tested on whom it has learned from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from medvl.data.lints.finding import PATIENT_SIDES, SHOWN, Finding
from medvl.data.patients import on_two_sides


def patients_on_two_sides(table: pa.Table, splits: np.ndarray) -> list[Finding]:
    """At most one finding, an error, that counts the patients and names some by hash.

    Args:
        table: a study table.
        splits: (N,) int8 places in `medvl.data.dataset.SPLITS`.
    """
    number, examples = on_two_sides(table, splits, SHOWN)
    if number == 0:
        return []
    return [
        Finding(
            PATIENT_SIDES,
            "error",
            f"{number:,} patients are on two sides of the split",
            "move each patient to one side, or leave the dataset's split out and let `splits` draw one by patient",
            tuple(examples),
        )
    ]

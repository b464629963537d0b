"""Lint: the same patient on two sides of a split, so that a model is tested on whom it has learned from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from medvl.data.dataset import SPLITS
from medvl.data.lints.finding import PATIENT_SIDES, SHOWN, Finding
from medvl.data.patients import id_hash, patients_of


def patients_on_two_sides(table: pa.Table, splits: np.ndarray) -> list[Finding]:
    """At most one finding, an error, that counts the patients and names some by hash.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`.
    """
    codes, ids = patients_of(table)
    counts = np.bincount(codes * len(SPLITS) + splits, minlength=len(ids) * len(SPLITS)).reshape(-1, len(SPLITS))
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
            "error",
            f"{len(shared):,} of {len(ids):,} patients are on two sides of the split",
            "move each patient to one side, or leave the dataset's split out and let `splits` draw one by patient",
            tuple(examples),
        )
    ]

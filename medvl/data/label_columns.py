"""Labels of the rows that are asked for, from the label columns of a study table; no array of all rows is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

ROWS = 1 << 16  # counted at a time

Targets = Callable[[pa.Table], np.ndarray]


@dataclass(frozen=True)
class LabelColumns:
    """What a label policy makes of a table's labels, row by row.

    Attributes:
        table: a study table; its label columns are enough.
        targets: gives the (n, K) float32 targets of a table of n rows (`medvl.data.label_policy.label_matrix`).
    """

    table: pa.Table
    targets: Targets

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (n,) -> (n, K) float32: 1, 0, or NaN where a label is left out."""
        return self.targets(self.table.take(pa.array(rows)))

    def count(self, rows: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(positives, negatives): how many of these rows are 1 and 0 in each of the K labels."""
        parts = [self.read(rows[start : start + ROWS]) for start in range(0, max(1, len(rows)), ROWS)]
        positives, negatives = (sum((part == value).sum(0) for part in parts) for value in (1, 0))
        return tuple(map(int, positives)), tuple(map(int, negatives))

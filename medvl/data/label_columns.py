"""Labels of the rows that are asked for, from the label columns of a study table; no array of all rows is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from medvl.contract import UNCERTAIN
from medvl.data.dataset import LABEL_PREFIX
from medvl.data.label_policy import label_matrix

if TYPE_CHECKING:
    from medvl.data.selection import Selection

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
        """Row numbers (n,) -> (n, K) float32 to learn from: 1, 0, -1 where uncertain is a class, NaN where left out."""
        return self.targets(self.table.take(pa.array(rows)))

    def judged(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (n,) -> (n, K) float32 to judge by: 1, 0, or NaN where a label is left out or uncertain."""
        targets = self.read(rows)
        return np.where(targets == UNCERTAIN, np.nan, targets).astype(np.float32, copy=False)

    def count(self, rows: np.ndarray, values: Sequence[float] = (1, 0)) -> tuple[tuple[int, ...], ...]:
        """For each of `values`, in each of the K labels, how many of these rows have it: (positives, negatives)."""
        parts = [self.read(rows[start : start + ROWS]) for start in range(0, max(1, len(rows)), ROWS)]
        return tuple(tuple(map(int, sum((part == value).sum(0) for part in parts))) for value in values)


def labels_of(table: pa.Table, names: Sequence[str], selection: Selection) -> LabelColumns:
    """What the selection's label policy makes of these labels of a study table."""
    targets = partial(label_matrix, names=names, policy=selection.policy, blank=selection.blank)
    columns = [LABEL_PREFIX + name for name in names]
    return LabelColumns(table.select([name for name in columns if name in table.column_names]), targets)

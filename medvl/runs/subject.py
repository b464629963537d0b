"""What runs are compared by, and how its numbers are spelled."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medvl.evaluate.bootstrap import Difference
from medvl.evaluate.measures import MEASURES


@dataclass(frozen=True)
class Subject:
    """A measure, or a family of metrics, as tables and pictures call it.

    Attributes:
        name: as it was asked for, e.g. `auroc`, `perplexity`.
        title: as a reader is shown it, e.g. `AUROC`.
        falls: whether less is better.
        rows: what the rows of a table are: findings, questions or metrics.
    """

    name: str
    title: str
    falls: bool
    rows: str

    @classmethod
    def of_measure(cls, measure: str, rows: str) -> Subject:
        """One of `medvl.evaluate.measures.MEASURES`, of findings or of questions."""
        return cls(measure, MEASURES[measure].title, MEASURES[measure].falls, rows)

    def row(self, metric: str) -> str:
        """What a reader is shown for `auroc_macro` (macro), `auroc/Edema` (Edema) or `accuracy` (all)."""
        if self.rows == "metric":
            return metric
        rest = metric.removeprefix(self.name)
        return (rest[1:] if rest.startswith("/") else rest[1:].replace("_", " ")) or "all"


def decimals(value: float) -> int:
    """How many of a value are told: three below 10, as of all shares; fewer of larger ones, such as perplexities."""
    return max(0, 4 - len(str(int(abs(value))))) if math.isfinite(value) else 3


def spelled(difference: Difference, places: int = 3) -> str:
    """`+0.021 (+0.010 to +0.033)`, or a dash where undefined."""
    if math.isnan(difference.low):
        return "–"
    return f"{difference.difference:+.{places}f} ({difference.low:+.{places}f} to {difference.high:+.{places}f})"

"""What a table says of a metric: our mean and interval, the paper's number, and how they compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medvl.evaluate.seeds import over_seeds

Status = Literal["done", "failed", "not run"]
Verdict = Literal["reproduced", "inside", "off", "smoke only", "failed", "not run", ""]


def beside(paper: float, ours: float, low: float, high: float, tolerance: float) -> Verdict:
    """How our number, with its interval, compares with the paper's (`Summary.verdict`)."""
    if abs(ours - paper) <= tolerance + 1e-9:  # 0.79 - 0.78 is more than 0.01 in binary
        return "reproduced"
    return "inside" if low <= paper <= high else "off"


@dataclass(frozen=True)
class Value:
    """A metric of one run.

    Attributes:
        status: of the run; where it is not done, the value is NaN.
        value: NaN also where the metric is undefined.
        interval: the evaluator's own, over test cases; NaN where it gives none.
        why: of a failure.
    """

    status: Status
    value: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    why: str = ""


@dataclass(frozen=True)
class Summary:
    """What runs that differ in their seed say together.

    Attributes:
        mean: of the defined values; NaN where there is none.
        low, high: its 95 % interval over seeds, or with one run the evaluator's; NaN where there is none.
        runs, done, defined, failed: how many there are, are finished, have a value, and have failed.
        why: of the first failure.
    """

    mean: float
    low: float
    high: float
    runs: int
    done: int
    defined: int
    failed: int
    why: str = ""

    @classmethod
    def of(cls, values: Sequence[Value]) -> Summary:
        """Undefined values are left out of the mean, and counted."""
        known = [value for value in values if not math.isnan(value.value)]
        mean, low, high = math.nan, math.nan, math.nan
        if len(known) == 1:
            mean, (low, high) = known[0].value, known[0].interval
        elif known:
            seeds = over_seeds([value.value for value in known])
            mean, low, high = seeds.mean, seeds.mean - seeds.half_width, seeds.mean + seeds.half_width
        failed = [value for value in values if value.status == "failed"]
        done = sum(value.status == "done" for value in values)
        return cls(mean, low, high, len(values), done, len(known), len(failed), failed[0].why if failed else "")

    def verdict(self, paper: float | None, tolerance: float, smoke: bool = False) -> Verdict:
        """How we compare with the paper's number; nothing to say where it is not known.

        `reproduced`: our mean is within the tolerance of it; `inside`: it is within our interval; else `off`. Failed
        and missing runs are told whether the paper has a number or not.
        """
        if self.failed:
            return "failed"
        if self.done < self.runs:
            return "not run"
        if paper is None or math.isnan(self.mean):
            return ""
        if smoke:
            return "smoke only"
        return beside(paper, self.mean, self.low, self.high, tolerance)

    def __str__(self) -> str:
        """`0.781 ± 0.012`, `0.781 (0.76-0.80)` with one run, or a dash."""
        if math.isnan(self.mean):
            return "–"
        if math.isnan(self.low):
            return f"{self.mean:.3f}"
        if self.defined == 1:
            return f"{self.mean:.3f} ({self.low:.2f}-{self.high:.2f})"
        return f"{self.mean:.3f} ± {self.high - self.mean:.3f}"

"""Point values and bootstrap intervals of metrics that are functions of case weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medvl.errors import ConfigError
from medvl.evaluate.base import Cases, Result
from medvl.evaluate.bootstrap import IntervalRule, Weighted, clusters, percentile_interval, replicated
from medvl.evaluate.draws import Draws, Fact


@dataclass(frozen=True)
class Resampling:
    """How an evaluator draws its intervals.

    Attributes:
        evaluator: its name, for messages.
        replicates: bootstrap draws; 0 for no intervals.
        unit: what is drawn: patients with all their cases, or single cases.
        confidence: of the percentile intervals, in (0, 1).
        seed: of the draws.
        rule: how the intervals' ends are read off the draws (`percentile_interval`).

    Raises:
        ConfigError: a number outside its range.
    """

    evaluator: str
    replicates: int
    unit: Literal["patient", "case"]
    confidence: float
    seed: int
    rule: IntervalRule = "linear"

    def __post_init__(self) -> None:
        problems = []
        if self.replicates < 0 or self.seed < 0:
            problems.append(
                f"replicates {self.replicates} and seed {self.seed} of evaluator '{self.evaluator}' must be at least 0"
            )
        if not 0 < self.confidence < 1:
            problems.append(f"confidence {self.confidence} of evaluator '{self.evaluator}' lies not between 0 and 1")
        if problems:
            raise ConfigError(problems)

    def fill(
        self,
        result: Result,
        names: Sequence[str],
        measure: Weighted,
        cases: Cases,
        intervals: bool = True,
        *,
        positions: np.ndarray | None = None,
        judged: Mapping[str, Fact] | None = None,
    ) -> None:
        """Put metrics, intervals, the draws and a note on them into a result.

        Args:
            result: gets them.
            names: of the M metrics.
            measure: from case weights (n, R) to their values (M, R).
            cases: all N that the evaluator was given.
            intervals: also draw.
            positions: (n,) int64, the places of the cases that `measure` weighs, in its order; None for all N.
            judged: what else the metrics depend on beside cases and predictions (`Draws.judged`).
        """
        positions = np.arange(len(cases.rows)) if positions is None else positions
        codes = clusters(np.asarray(cases.patients)[positions], self.unit)
        drawing = intervals and self.replicates and len(codes)
        found = replicated(measure, codes, self.replicates if drawing else 0, self.seed)
        result.metrics |= dict(zip(names, found.point.tolist(), strict=True))
        if not drawing:
            return
        values = dict(zip(names, found.draws, strict=True))
        result.draws = Draws(values, positions, codes, self.unit, self.seed, dict(judged or {}))
        for name, draws in values.items():
            if not np.isnan(result.metrics[name]):
                result.intervals[name] = percentile_interval(draws, self.confidence, self.rule)
        result.notes.append(
            f"intervals: {self.confidence:.0%} percentile bootstrap, {self.replicates} draws of {codes.max() + 1} "
            f"{self.unit}s"
        )

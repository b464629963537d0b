"""Point values and bootstrap intervals of metrics that are functions of case weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medvl.errors import ConfigError
from medvl.evaluate.base import Result
from medvl.evaluate.bootstrap import Weighted, percentile_interval, replicated


@dataclass(frozen=True)
class Resampling:
    """How an evaluator draws its intervals.

    Attributes:
        evaluator: its name, for messages.
        replicates: bootstrap draws; 0 for no intervals.
        unit: what is drawn: patients with all their cases, or single cases.
        confidence: of the percentile intervals, in (0, 1).
        seed: of the draws.

    Raises:
        ConfigError: a number outside its range.
    """

    evaluator: str
    replicates: int
    unit: Literal["patient", "case"]
    confidence: float
    seed: int

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
        self, result: Result, names: Sequence[str], measure: Weighted, codes: np.ndarray, intervals: bool = True
    ) -> None:
        """Put metrics, intervals and a note on the draws into a result.

        Args:
            result: gets them.
            names: of the M metrics.
            measure: from case weights (N, R) to their values (M, R).
            codes: (N,) what is drawn (`clusters`), N at least 1.
            intervals: also draw.
        """
        found = replicated(measure, codes, self.replicates if intervals else 0, self.seed)
        result.metrics |= dict(zip(names, found.point.tolist(), strict=True))
        if not found.draws.shape[1]:
            return
        for name, point, draws in zip(names, found.point, found.draws, strict=True):
            if not np.isnan(point):
                result.intervals[name] = percentile_interval(draws, self.confidence)
        result.notes.append(
            f"intervals: {self.confidence:.0%} percentile bootstrap, {self.replicates} draws of {codes.max() + 1} "
            f"{self.unit}s"
        )

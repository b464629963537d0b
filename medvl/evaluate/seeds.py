"""The mean of a metric over seeds, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medvl.errors import DataError
from medvl.evaluate.student import two_sided_quantile


@dataclass(frozen=True)
class SeedMean:
    """A mean over seeds, and half the width of its interval; NaN where there is one seed."""

    mean: float
    half_width: float
    seeds: int

    def __str__(self) -> str:
        """`0.812 ± 0.013 (5 seeds)`."""
        spread = "" if np.isnan(self.half_width) else f" ± {self.half_width:.3f}"
        return f"{self.mean:.3f}{spread} ({self.seeds} seed{'s' if self.seeds > 1 else ''})"


def over_seeds(values: Sequence[float], confidence: float = 0.95) -> SeedMean:
    """Mean ± t s / sqrt(n) over n runs that differ in their seed alone.

    It holds the spread of training, not that of the test cases, which a bootstrap holds. With the few seeds of a paper
    the quantile is Student's (2.78 for five), not the normal's 1.96, with which the interval would be too narrow.

    Args:
        values: the metric of each seed.
        confidence: in (0, 1).

    Raises:
        DataError: no value, or one that is not a number.
    """
    array = np.asarray(values, np.float64)
    if not len(array) or not np.isfinite(array).all():
        raise DataError(
            f"{len(array)} values cannot be averaged over seeds: {np.isfinite(array).sum()} are finite. "
            "give the metric of at least one finished run, and leave out undefined ones"
        )
    if len(array) == 1:
        return SeedMean(float(array[0]), float("nan"), 1)
    quantile = two_sided_quantile(confidence, len(array) - 1)
    return SeedMean(float(array.mean()), float(quantile * array.std(ddof=1) / np.sqrt(len(array))), len(array))

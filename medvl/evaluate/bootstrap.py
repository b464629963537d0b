"""The bootstrap: replicates as case weights, percentile intervals, paired differences on the same draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

BLOCK_BYTES = 64 * 2**20  # of the weights that exist at any one time
GROUP = 64  # replicates drawn before they are turned into columns

IntervalRule = Literal["linear", "ranks"]
Prediction = TypeVar("Prediction")
Weighted = Callable[[np.ndarray], np.ndarray]  # weights (N, B) -> a metric of each replicate (B,), or M of them (M, B)


def clusters(patients: np.ndarray, unit: Literal["patient", "case"]) -> np.ndarray:
    """(N,) codes 0..C-1 of what is resampled: patients (all cases of one together) or single cases."""
    if unit == "case":
        return np.arange(len(patients))
    return np.unique(patients, return_inverse=True)[1]


def replicate_weights(codes: np.ndarray, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """How often each case is drawn in each replicate, a block of replicates at a time.

    C clusters are drawn with replacement from C, a multinomial count; a case counts as often as its cluster.
    Replicate r depends on (seed, r) alone, whatever the size of the blocks or the number of replicates.

    Args:
        codes: (N,) cluster of each case, 0..C-1 (`clusters`), N at least 1.
        replicates: how many; of no cases none.
        seed: at least 0.

    Yields:
        (N, B) uint8: a count of 256 among C draws of C clusters does not happen.
    """
    size = max(GROUP, BLOCK_BYTES // max(1, len(codes)))
    for first in range(0, replicates, size):
        block = np.empty((len(codes), min(size, replicates - first)), np.uint8)
        for start in range(0, block.shape[1], GROUP):
            stop = min(start + GROUP, block.shape[1])
            block[:, start:stop] = _draw(codes, range(first + start, first + stop), seed).T
        yield block


def _draw(codes: np.ndarray, numbers: range, seed: int) -> np.ndarray:
    """The counts of the replicates with these numbers: (len(numbers), N) uint8."""
    count = int(codes.max()) + 1
    drawn = np.empty((len(numbers), len(codes)), np.uint8)
    for row, number in enumerate(numbers):
        sample = np.random.default_rng([seed, number]).integers(0, count, count)
        drawn[row] = np.bincount(sample, minlength=count).astype(np.uint8)[codes]
    return drawn


def percentile_interval(
    values: np.ndarray, confidence: float = 0.95, rule: IntervalRule = "linear"
) -> tuple[float, float]:
    """Percentile interval of replicates (Efron and Tibshirani, 1993, chapter 13).

    Args:
        values: (R,) replicates; NaN (the metric was undefined in that draw) are left out.
        confidence: in (0, 1).
        rule: `linear` interpolates between replicates; `ranks` takes the replicates at the 0-based ranks
            floor(a/2 R) - 1 and floor((1 - a/2) R) - 1 with a = 1 - confidence, as MoCo-CXR's code does.

    Returns:
        (low, high), both NaN where no replicate is defined.
    """
    values = np.sort(values[~np.isnan(values)])
    if not len(values):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    if rule == "linear":
        low, high = np.quantile(values, [tail, 1 - tail])
        return float(low), float(high)
    ranks = (int(tail * len(values)) - 1, int((1 - tail) * len(values)) - 1)
    return float(values[max(0, ranks[0])]), float(values[max(0, ranks[1])])


def mean_defined(values: np.ndarray) -> np.ndarray:
    """Mean over findings, per replicate, of what is not NaN: (K, R) -> (R,), NaN where nothing is defined."""
    number = (~np.isnan(values)).sum(axis=0)
    return np.divide(np.nansum(values, axis=0), number, out=np.full(values.shape[1], np.nan), where=number > 0)


@dataclass(frozen=True)
class Difference:
    """A metric of `a` minus that of `b`: its value, its interval, and the two-sided p of no difference."""

    difference: float
    low: float
    high: float
    p: float


def paired_difference(
    metric: Callable[[Prediction], Weighted],
    a: Prediction,
    b: Prediction,
    *,
    codes: np.ndarray,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Bootstrap of `metric(a) - metric(b)`, both on the same draws of the same cases.

    Args:
        metric: prepares a prediction (sorts it, say) and returns the function from weights (N, B) to values (B,).
        a, b: two predictions for the same N cases.
        codes: (N,) what is resampled (`clusters`).
        replicates: number of draws.
        confidence: of the percentile interval.
        seed: of the draws.

    Returns:
        The difference on all cases; its interval; and p (`difference_of`).
    """

    def alone(of: Weighted) -> Weighted:
        return lambda weights: of(weights)[None]  # (1, B)

    of_a, of_b = (replicated(alone(metric(each)), codes, replicates, seed) for each in (a, b))
    return difference_of(of_a.point[0] - of_b.point[0], of_a.draws[0] - of_b.draws[0], confidence)


@dataclass(frozen=True)
class Replicated:
    """M metrics on all cases, (M,), and in each of R replicates, (M, R)."""

    point: np.ndarray
    draws: np.ndarray


def replicated(metrics: Weighted, codes: np.ndarray, replicates: int, seed: int) -> Replicated:
    """M metrics on all cases and in every replicate; equal (codes, replicates, seed) are the same draws.

    Args:
        metrics: from weights (N, B) to values (M, B).
        codes: (N,) what is resampled (`clusters`).
        replicates: R, number of draws.
        seed: of the draws.
    """
    point = metrics(np.ones((len(codes), 1), np.uint8))
    blocks = [metrics(weights) for weights in replicate_weights(codes, replicates, seed)]
    return Replicated(point[:, 0], np.concatenate(blocks, axis=1) if blocks else np.empty((len(point), 0)))


def difference_of(
    point: float, draws: np.ndarray, confidence: float = 0.95, rule: IntervalRule = "linear"
) -> Difference:
    """Interval and significance of a difference from its replicates.

    Args:
        point: the difference on all cases.
        draws: (R,) its paired replicates; NaN (undefined in that draw) are left out.
        confidence: of the percentile interval.
        rule: as in `percentile_interval`.

    Returns:
        With p = twice the smaller share of replicates on either side of zero, no smaller than 2 / (R + 1) (Efron and
        Tibshirani, 1993, section 15.4); NaN where the difference is undefined.
    """
    draws = draws[~np.isnan(draws)]
    if np.isnan(point) or not len(draws):
        return Difference(float(point), float("nan"), float("nan"), float("nan"))
    low, high = percentile_interval(draws, confidence, rule)
    smaller = min((draws <= 0).sum(), (draws >= 0).sum())
    return Difference(float(point), low, high, float(min(1.0, 2 * (smaller + 1) / (len(draws) + 1))))

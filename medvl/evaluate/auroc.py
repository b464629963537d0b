"""The areas under the ROC and the precision-recall curve over many case weights at once, exact with ties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

BIN = 256  # cases per bin: large enough for matrix products to pay, small enough to stay in the cache
EXACT_IN_FLOAT32 = 2**23  # below this, sums of integers and their halves carry no rounding


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """AUROC as the Mann-Whitney statistic, a tie counting one half (Hanley and McNeil, 1982).

    Args:
        labels: (N,) boolean.
        scores: (N,) without NaN, larger = more likely positive.

    Returns:
        In [0, 1]; NaN where there are no positives or no negatives.
    """
    positives, negatives = np.sort(scores[labels]), np.sort(scores[~labels])
    if not len(positives) or not len(negatives):
        return float("nan")
    below = np.searchsorted(negatives, positives, side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(negatives, positives, side="right").sum(dtype=np.int64)
    return float((below + not_above) / (2.0 * len(positives) * len(negatives)))


def weighted_auroc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUROC under each column of case weights; `RankedScores` where the same scores are weighted repeatedly.

    Args:
        labels: (N,) boolean.
        scores: (N,) without NaN.
        weights: (N, R) non-negative, e.g. how often each case was drawn in each of R replicates.

    Returns:
        (R,) float64, NaN where the weight of the positives or of the negatives is zero.
    """
    return RankedScores(labels, scores).auroc(weights)


@dataclass(frozen=True)
class _Bin:
    """Cases `start:stop` of the order, positives before `middle`; `tied` where they all share one score."""

    start: int
    middle: int
    stop: int
    tied: bool


class RankedScores:
    """Scores sorted once, to be weighted many times.

    The weighted Mann-Whitney statistic needs, per replicate, the weight of the negatives below each positive. A
    running sum over N cases per replicate is slow in numpy. Here the sorted cases are cut into bins that no tie
    crosses: between bins the totals suffice, and within a bin all replicates are one small matrix product.

    Args:
        labels: (M,) boolean.
        scores: (M,) without NaN.
        cases: (M,) row of the weights that each score belongs to; by default its own position. Pooling the
            findings of a case (micro average) gives several scores the same row.
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray, cases: np.ndarray | None = None) -> None:
        order = np.argsort(scores, kind="stable")
        self._bins = list(_cut(scores[order], labels[order]))
        # positives first within each bin; the sort is stable, so scores stay ascending within both halves
        bin_of = np.repeat(np.arange(len(self._bins)), [b.stop - b.start for b in self._bins])
        order = order[np.lexsort((~labels[order], bin_of))]
        self._scores = scores[order]
        self._cases = order if cases is None else cases[order]

    def auroc(self, weights: np.ndarray) -> np.ndarray:
        """AUROC under each column of `weights` (N, R): (R,) float64, NaN where one side has no weight."""
        replicates = weights.shape[1]
        dtype = _exact_dtype(weights)
        buffer = np.empty((BIN, replicates), dtype)
        concordant, positive, negative = np.zeros((3, replicates))
        for part in self._bins:
            in_bin = self._tied(part, weights) if part.tied else self._ranked(part, weights, buffer)
            pairs, positive_here, negative_here = in_bin
            concordant += pairs + negative * positive_here
            positive += positive_here
            negative += negative_here
        total = positive * negative
        return np.divide(concordant, total, out=np.full(replicates, np.nan), where=total > 0)

    def average_precision(self, weights: np.ndarray) -> np.ndarray:
        """Area under the precision-recall curve as the sum of (recall gained) x precision, as in scikit-learn.

        It falls with the prevalence: chance is the share of positives, not one half (Davis and Goadrich, 2006).

        Args:
            weights: (N, R).

        Returns:
            (R,) float64, NaN where one side has no weight.
        """
        replicates = weights.shape[1]
        buffer = np.empty((BIN, replicates), _exact_dtype(weights))
        area, positive, called = np.zeros((3, replicates))
        for part in reversed(self._bins):  # from the highest score down: what is called positive grows
            in_bin = self._tied_precision if part.tied else self._ranked_precision
            gained, positive_here, called_here = in_bin(part, weights, buffer, positive, called)
            area += gained
            positive += positive_here
            called += called_here
        defined = (positive > 0) & (called > positive)
        return np.divide(area, positive, out=np.full(replicates, np.nan), where=defined)

    def _ranked_precision(
        self, part: _Bin, weights: np.ndarray, buffer: np.ndarray, positive: np.ndarray, called: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Per replicate: sum of positives x precision at their score, weight of positives, weight of all in the bin."""
        gathered = buffer[: part.stop - part.start]
        gathered[...] = weights[self._cases[part.start : part.stop]]
        split = part.middle - part.start
        reached = (self._scores[part.start : part.stop] >= self._scores[part.start : part.middle, None]).astype(
            buffer.dtype
        )  # (P, P + Q): what is called at each positive's score
        hits = positive + reached[:, :split] @ gathered[:split]  # (P, R) float64
        calls = called + reached @ gathered
        gained = np.divide(hits, calls, out=np.zeros_like(hits), where=calls > 0)
        gained *= gathered[:split]
        here = gathered[:split].sum(axis=0, dtype=np.float64)
        return gained.sum(axis=0), here, here + gathered[split:].sum(axis=0, dtype=np.float64)

    def _tied_precision(
        self, part: _Bin, weights: np.ndarray, _buffer: np.ndarray, positive: np.ndarray, called: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same for one long tie, which is called as a whole."""
        here = _sum_rows(weights, self._cases[part.start : part.middle])
        calls = here + _sum_rows(weights, self._cases[part.middle : part.stop])
        precision = np.divide(positive + here, called + calls, out=np.zeros_like(here), where=called + calls > 0)
        return here * precision, here, calls

    def _ranked(self, part: _Bin, weights: np.ndarray, buffer: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Per replicate: weight of concordant pairs within the bin, of its positives, of its negatives."""
        gathered = buffer[: part.stop - part.start]
        gathered[...] = weights[self._cases[part.start : part.stop]]
        split = part.middle - part.start
        above = self._scores[part.start : part.middle, None]  # (P, 1) positives
        below = self._scores[None, part.middle : part.stop]  # (1, Q) negatives
        wins = ((above > below) + (above >= below).astype(buffer.dtype)) / 2  # (P, Q): 1, tie 0.5, 0
        few, many = gathered[:split], gathered[split:]
        if flipped := split > len(gathered) - split:
            few, many, wins = many, few, wins.T
        counted = np.vstack([wins, np.ones((1, len(many)), buffer.dtype)]) @ many  # last row: the total of `many`
        many_weight = counted[-1].astype(np.float64)
        few_weight = few.sum(axis=0, dtype=np.float64)
        pairs = (counted[:-1] * few).sum(axis=0).astype(np.float64)
        return (pairs, many_weight, few_weight) if flipped else (pairs, few_weight, many_weight)

    def _tied(self, part: _Bin, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same for one long tie: every pair counts one half."""
        positive = _sum_rows(weights, self._cases[part.start : part.middle])
        negative = _sum_rows(weights, self._cases[part.middle : part.stop])
        return positive * negative / 2, positive, negative


def _cut(scores: np.ndarray, labels: np.ndarray) -> Iterator[_Bin]:
    """Bins of at most BIN sorted cases that end where a tie ends; a longer tie is a bin of its own."""
    if not len(scores):
        return
    ends = np.append(np.flatnonzero(scores[1:] > scores[:-1]) + 1, len(scores))  # where each tie ends
    positives = np.concatenate([[0], np.cumsum(labels)])
    start = 0
    while start < len(scores):
        last = np.searchsorted(ends, start + BIN, side="right") - 1
        tied = bool(last < 0 or ends[last] <= start)
        stop = int(ends[last + 1] if tied else ends[last])
        yield _Bin(start, start + int(positives[stop] - positives[start]), stop, tied)
        start = stop


def _exact_dtype(weights: np.ndarray) -> type[np.float32] | type[np.float64]:
    """float32 where the weights are integers so small that no product within a bin is rounded."""
    if not np.issubdtype(weights.dtype, np.integer) or not weights.size:
        return np.float64
    heaviest_bin = BIN * int(weights.max())
    return np.float32 if (heaviest_bin / 2) ** 2 < EXACT_IN_FLOAT32 else np.float64


def _sum_rows(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Sum of some rows (R,), gathered a few at a time to bound the memory."""
    total = np.zeros(weights.shape[1])
    for start in range(0, len(rows), 16 * BIN):
        total += weights[rows[start : start + 16 * BIN]].sum(axis=0, dtype=np.float64)
    return total

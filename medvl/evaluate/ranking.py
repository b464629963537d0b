"""How well queries rank their positives among candidates: MRR, Hit@K, Recall@K, Precision@K, query by query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medvl.errors import DataError

CELLS = 1 << 20  # scores sorted at a time: bounds the memory of a whole-set ranking


@dataclass(frozen=True)
class Ranking:
    """Where Q queries found their positives.

    Attributes:
        first: (Q,) int64 0-based rank of the best positive; the number of candidates where a query has none.
        found: (Q, len(cutoffs)) int64 positives among the first K candidates.
        positives: (Q,) int64 all positives of a query.
        cutoffs: the values of K.
    """

    first: np.ndarray
    found: np.ndarray
    positives: np.ndarray
    cutoffs: tuple[int, ...]

    def measures(self) -> dict[str, np.ndarray]:
        """Each measure of each query, (Q,) float64, NaN where it has no positive.

        `mrr` is 1 / (rank + 1) of the best positive; `hit@K` 1 where a positive is among the first K, else 0;
        `recall@K` the share of the positives that are; `precision@K` the share of K that is positive, the K asked for
        even where there are fewer candidates.
        """
        defined = self.positives > 0
        measures = {"mrr": 1 / (self.first + 1.0)}
        for k, found in zip(self.cutoffs, self.found.T, strict=True):
            measures[f"hit@{k}"] = (found > 0).astype(np.float64)
        for k, found in zip(self.cutoffs, self.found.T, strict=True):
            measures[f"recall@{k}"] = found / np.maximum(self.positives, 1)
        for k, found in zip(self.cutoffs, self.found.T, strict=True):
            measures[f"precision@{k}"] = found / k
        return {name: np.where(defined, values, np.nan) for name, values in measures.items()}

    @staticmethod
    def names(cutoffs: tuple[int, ...]) -> tuple[str, ...]:
        """The keys of `measures`, in order."""
        return ("mrr", *(f"{name}@{k}" for name in ("hit", "recall", "precision") for k in cutoffs))


def rank(scores: np.ndarray, positive: np.ndarray, cutoffs: tuple[int, ...] = (1, 5, 10)) -> Ranking:
    """Rank the candidates of each query by score, the largest first.

    Among equal scores the candidates that are not positive come first: a model that cannot tell candidates apart gets
    no credit, and the order in which candidates are listed never counts.

    Args:
        scores: (Q, C) of every candidate (column) for every query (row).
        positive: (Q, C) boolean, which candidates are right.
        cutoffs: the values of K, at least 1 each.

    Raises:
        DataError: arrays that do not fit each other, a score that is not a number, or a cutoff below 1.
    """
    scores, positive = _checked(scores, positive)
    if min(cutoffs, default=1) < 1:
        raise DataError(f"cutoff {min(cutoffs)} of a ranking is below 1. count from the first candidate")
    queries, candidates = scores.shape
    first, found = np.empty(queries, np.int64), np.empty((queries, len(cutoffs)), np.int64)
    for part, order in _ordered(scores, positive):
        right = np.take_along_axis(positive[part], order, axis=1)  # (q, C), best candidate first
        first[part] = np.where(right.any(axis=1), right.argmax(axis=1), candidates) if candidates else 0
        found[part] = np.stack([right[:, :k].sum(axis=1) for k in cutoffs], axis=1) if cutoffs else 0
    return Ranking(first, found, positive.sum(axis=1), tuple(cutoffs))


def best(scores: np.ndarray, positive: np.ndarray, count: int) -> np.ndarray:
    """The first `count` candidates of each query, in the order of `rank`: (Q, min(count, C)) int64 columns.

    Raises:
        DataError: arrays that do not fit each other, or a score that is not a number.
    """
    scores, positive = _checked(scores, positive)
    parts = [order[:, :count] for _, order in _ordered(scores, positive)]
    return np.concatenate(parts) if parts else np.empty((0, min(count, scores.shape[1])), np.int64)


def _ordered(scores: np.ndarray, positive: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Some queries at a time, and for each of them all candidates, the best first: (q, C) int64."""
    queries, candidates = scores.shape
    step = max(1, CELLS // max(1, candidates))
    for start in range(0, queries, step):
        part = slice(start, start + step)
        # the last key comes first: score, then wrong before right
        yield part, np.lexsort((positive[part], -scores[part].astype(np.float64)))


def _checked(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, positive = np.asarray(scores), np.asarray(positive, bool)
    if scores.ndim != 2 or scores.shape != positive.shape:
        raise DataError(
            f"scores {scores.shape} and positives {positive.shape} cannot be ranked. give one row a query and one "
            "column a candidate in both"
        )
    if np.isnan(scores).any():
        raise DataError(f"{np.isnan(scores).sum()} of {scores.size} scores are not numbers, and cannot be ranked")
    return scores, positive

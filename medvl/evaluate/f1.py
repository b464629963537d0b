"""F1, precision and recall from confusion counts, per finding and averaged, over many case weights at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medvl.evaluate.sums import weighted_sums


@dataclass(frozen=True)
class Counts:
    """Weighted confusion counts of K findings, each (K, R): true positives, false positives, false negatives."""

    hits: np.ndarray
    false_alarms: np.ndarray
    misses: np.ndarray

    def f1(self) -> np.ndarray:
        """(K, R) F1; 0 where nothing is positive and nothing was called so, as in scikit-learn."""
        return ratio(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses)

    def precision(self) -> np.ndarray:
        """(K, R) share of the called that are positive; 0 where none was called."""
        return ratio(self.hits, self.hits + self.false_alarms)

    def recall(self) -> np.ndarray:
        """(K, R) share of the positive that were called; 0 where none is positive."""
        return ratio(self.hits, self.hits + self.misses)

    def pooled(self) -> Counts:
        """Of all findings' decisions together, each (1, R)."""
        return Counts(*(each.sum(axis=0, keepdims=True) for each in (self.hits, self.false_alarms, self.misses)))


def count(positive: np.ndarray, called: np.ndarray, known: np.ndarray, weights: np.ndarray) -> Counts:
    """Confusion counts under each column of case weights.

    Args:
        positive, called, known: (N, K) boolean: labelled positive, predicted positive, label known.
        weights: (N, R).

    Returns:
        Counts of (K, R) float64, over known labels only.
    """
    decisions = np.hstack([positive & called & known, ~positive & called & known, positive & ~called & known])
    return Counts(*np.split(weighted_sums(decisions, weights), 3))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """`above / below`, 0 where the denominator is 0."""
    return np.divide(above, below, out=np.zeros_like(above, dtype=np.float64), where=below > 0)

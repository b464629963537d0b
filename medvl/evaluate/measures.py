"""What can be measured of findings: each measure per finding and pooled, over many case weights at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medvl.evaluate.answers import Answers
from medvl.evaluate.auroc import RankedScores, auroc
from medvl.evaluate.bootstrap import mean_defined
from medvl.evaluate.f1 import Counts, count
from medvl.evaluate.sums import weighted_sums

CALIBRATION_BINS = 15  # of equal width, as in Guo et al. (2017)


@dataclass(frozen=True)
class Scores:
    """One measure under R columns of case weights.

    Attributes:
        each: (K, R) per finding.
        micro: (R,) over all known (case, finding) pairs pooled.
        others: (R,) further summaries by name.
    """

    each: np.ndarray
    micro: np.ndarray
    others: dict[str, np.ndarray]

    def rows(self) -> np.ndarray:
        """(M, R): macro, micro, the others, then each finding, in the order of `names`."""
        return np.vstack([mean_defined(self.each), self.micro, *self.others.values(), self.each])


class Judged:
    """Answers that are prepared once (sorted, thresholded) and then weighted many times.

    Every measure is undefined (NaN) for a finding without weight on positive or on negative cases; the macro means
    are over the others.

    Args:
        answers: with finite logits.
        logit_threshold: logit above which a finding is called positive.
    """

    def __init__(self, answers: Answers, logit_threshold: float = 0.0) -> None:
        self._answers = answers
        self._called = answers.logits > logit_threshold

    def measure(self, name: str, weights: np.ndarray) -> Scores:
        """One of `MEASURES` under each column of case weights (N, R)."""
        return MEASURES[name].of(self, weights)

    def auroc(self, weights: np.ndarray) -> Scores:
        """Area under the ROC curve."""
        if weights.shape[1] == 1 and (weights == 1).all():  # each case once, as in validation: two sorts are faster
            return self._plain_auroc()
        each = np.array([scores.auroc(weights) for scores in self._ranked])
        return Scores(each.reshape(-1, weights.shape[1]), self._pooled.auroc(weights), {})

    def auprc(self, weights: np.ndarray) -> Scores:
        """Area under the precision-recall curve (average precision)."""
        each = np.array([scores.average_precision(weights) for scores in self._ranked])
        return Scores(each.reshape(-1, weights.shape[1]), self._pooled.average_precision(weights), {})

    def f1(self, weights: np.ndarray) -> Scores:
        """F1 of the calls, and the harmonic mean of mean precision and mean recall."""
        counts = self._counts(weights)
        scores = self._of_counts(Counts.f1, weights, counts)
        defined = ~np.isnan(scores.each)
        precision, recall = (
            mean_defined(np.where(defined, values, np.nan)) for values in (counts.precision(), counts.recall())
        )
        total = precision + recall  # where it is 0 or NaN, the harmonic mean keeps that very value
        scores.others["f1_macro_of_means"] = np.divide(2 * precision * recall, total, out=total.copy(), where=total > 0)
        return scores

    def precision(self, weights: np.ndarray) -> Scores:
        """Share of the calls that are right (positive predictive value); 0 where none was made."""
        return self._of_counts(Counts.precision, weights, self._counts(weights))

    def recall(self, weights: np.ndarray) -> Scores:
        """Share of the positive cases that were called (sensitivity)."""
        return self._of_counts(Counts.recall, weights, self._counts(weights))

    def accuracy(self, weights: np.ndarray) -> Scores:
        """Share of correct calls."""
        return self._mean(self._called == self._answers.positive, weights)

    def brier(self, weights: np.ndarray) -> Scores:
        """Mean squared distance of probability and label (Brier, 1950); 0 is perfect."""
        return self._mean(self._errors**2, weights)

    def calibration(self, weights: np.ndarray) -> Scores:
        """Expected calibration error: mean over bins of |share of positives - mean probability| (Guo et al., 2017)."""
        bins = np.minimum((self._probabilities * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)  # (N, K)
        errors = np.where(self._answers.known, self._errors, 0)
        gaps = np.zeros((bins.shape[1], CALIBRATION_BINS, weights.shape[1]))  # (K, bins, R)
        for k in range(len(gaps)):  # a finding at a time: (N, bins) for all of them would fill the memory
            in_bin = bins[:, k, None] == np.arange(CALIBRATION_BINS)
            gaps[k] = weighted_sums(in_bin * errors[:, k, None], weights)
        return self._shares(np.abs(gaps).sum(axis=1), np.abs(gaps.sum(axis=0)).sum(axis=0), weights)

    def _plain_auroc(self) -> Scores:
        positive, logits, known = self._answers.positive, self._answers.logits, self._answers.known
        columns = zip(positive.T, logits.T, known.T, strict=True)
        each = [auroc(labels[there], scores[there]) for labels, scores, there in columns]
        return Scores(np.array(each).reshape(-1, 1), np.array([auroc(positive[known], logits[known])]), {})

    def _counts(self, weights: np.ndarray) -> Counts:
        return count(self._answers.positive, self._called, self._answers.known, weights)

    def _of_counts(self, of: Callable[[Counts], np.ndarray], weights: np.ndarray, counts: Counts) -> Scores:
        return self._where_defined(of(counts), of(counts.pooled())[0], weights)

    @cached_property
    def _ranked(self) -> list[RankedScores]:
        return [self._rank(slice(k, k + 1)) for k in range(len(self._answers.labels))]

    @cached_property
    def _pooled(self) -> RankedScores:
        return self._rank(slice(None))

    def _rank(self, columns: slice) -> RankedScores:
        """The known scores of some findings, ready to be weighted by case."""
        known = self._answers.known[:, columns]
        positive, logits = self._answers.positive[:, columns][known], self._answers.logits[:, columns][known]
        return RankedScores(positive, logits, np.nonzero(known)[0])

    @cached_property
    def _probabilities(self) -> np.ndarray:
        """(N, K), stable for large logits."""
        return 0.5 * (1 + np.tanh(0.5 * self._answers.logits.astype(np.float64)))

    @cached_property
    def _errors(self) -> np.ndarray:
        """(N, K) probability minus label."""
        return self._probabilities - self._answers.positive

    def _mean(self, values: np.ndarray, weights: np.ndarray) -> Scores:
        """Mean of per-pair values (N, K) over known pairs."""
        total = weighted_sums(np.where(self._answers.known, values, 0), weights)
        return self._shares(total, total.sum(axis=0), weights)

    def _shares(self, each: np.ndarray, micro: np.ndarray, weights: np.ndarray) -> Scores:
        """Sums (K, R) and (R,) divided by the weight of the known pairs."""
        known = weighted_sums(self._answers.known, weights)
        pooled = known.sum(axis=0)
        shares = np.divide(each, known, out=np.zeros_like(each), where=known > 0)
        return self._where_defined(
            shares, np.divide(micro, pooled, out=np.zeros_like(micro), where=pooled > 0), weights
        )

    def _where_defined(self, each: np.ndarray, micro: np.ndarray, weights: np.ndarray) -> Scores:
        positive = weighted_sums(self._answers.positive, weights)
        negative = weighted_sums(self._answers.known & ~self._answers.positive, weights)
        defined = (positive > 0) & (negative > 0)
        pooled = (positive.sum(axis=0) > 0) & (negative.sum(axis=0) > 0)
        return Scores(np.where(defined, each, np.nan), np.where(pooled, micro, np.nan), {})


@dataclass(frozen=True)
class Measure:
    """A measure's heading, what computes it, and whether smaller is better."""

    title: str
    of: Callable[[Judged, np.ndarray], Scores]
    falls: bool = False
    others: tuple[str, ...] = ()


MEASURES = {
    "auroc": Measure("AUROC", Judged.auroc),
    "auprc": Measure("AUPRC", Judged.auprc),
    "f1": Measure("F1", Judged.f1, others=("f1_macro_of_means",)),
    "precision": Measure("precision", Judged.precision),
    "recall": Measure("recall", Judged.recall),
    "accuracy": Measure("accuracy", Judged.accuracy),
    "brier": Measure("Brier score", Judged.brier, falls=True),
    "calibration": Measure("calibration error", Judged.calibration, falls=True),
}


def summaries(measure: str) -> tuple[str, ...]:
    """The names of a measure's averages, e.g. `auroc_macro`, `auroc_micro`."""
    return (f"{measure}_macro", f"{measure}_micro", *MEASURES[measure].others)


def names(measure: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The flat names of `Scores.rows()`: the averages, then `auroc/NAME` of each finding."""
    return (*summaries(measure), *(f"{measure}/{label}" for label in labels))

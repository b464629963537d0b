"""Clinical efficacy of generated reports: do they state the findings that the original reports state?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medvl.errors import DataError
from medvl.evaluate.bootstrap import Weighted, mean_defined
from medvl.evaluate.f1 import count, ratio
from medvl.evaluate.sums import weighted_sums
from medvl.labelers.base import NOT_MENTIONED, POSITIVE, STATES

METRICS = (
    "clinical_accuracy", "clinical_precision", "clinical_recall", "clinical_f1", "clinical_positive_f1_macro",
    "clinical_positive_f1_micro",
)  # fmt: skip


@dataclass(frozen=True)
class ClinicalEfficacy:
    """Agreement of generated with original reports, finding by finding (MedViLL, Moon et al., 2022, Table V).

    What a report mentions of a finding is positive, negative or uncertain; an agreement is the same value in both.

    Attributes:
        accuracy: (K,) share of reports where both agree; two that do not mention a finding agree on it.
        precision: (K,) agreements on a mentioned value among the generated reports' mentions; NaN without one.
        recall: (K,) the same among the original reports' mentions; NaN without one.
        f1: (K,) harmonic mean of both: 0 where both are 0, NaN where one is.
        positive_f1_macro: mean F1 of being positive (uncertain counts as not), over findings that either side calls so.
        positive_f1_micro: F1 of being positive, all findings pooled.
    """

    accuracy: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    positive_f1_macro: float
    positive_f1_micro: float

    def metrics(self) -> dict[str, float]:
        """Plain means over the findings where a measure is defined (NaN where none is), by `METRICS`."""
        each = (self.accuracy, self.precision, self.recall, self.f1)
        means = [float(mean_defined(values[:, None])[0]) for values in each]
        return dict(zip(METRICS, (*means, self.positive_f1_macro, self.positive_f1_micro), strict=True))


def clinical_efficacy(original: np.ndarray, generated: np.ndarray) -> ClinicalEfficacy:
    """Compare what a labeler (`medvl.Labeler`) reads from original and from generated reports.

    Args:
        original, generated: (N, K) integers of N reports and K findings: 1 positive, 0 negative, -1 uncertain,
            2 not mentioned.

    Raises:
        DataError: arrays that do not fit each other, no report, or another value.
    """
    original, generated = _fitting(original, generated)
    once = np.ones((len(original), 1), np.uint8)
    accuracy, precision, recall, f1 = (values[:, 0] for values in _by_finding(original, generated, once))
    macro, micro = _positive_f1(original, generated, once)
    return ClinicalEfficacy(accuracy, precision, recall, f1, float(macro[0]), float(micro[0]))


def resampled_efficacy(original: np.ndarray, generated: np.ndarray) -> Weighted:
    """A function from case weights (N, R) to all of `METRICS` under them, (len(METRICS), R).

    Args:
        original, generated: as in `clinical_efficacy`.

    Raises:
        DataError: as there.
    """
    original, generated = _fitting(original, generated)

    def measure(weights: np.ndarray) -> np.ndarray:
        means = [mean_defined(values) for values in _by_finding(original, generated, weights)]
        return np.stack([*means, *_positive_f1(original, generated, weights)])

    return measure


def _by_finding(original: np.ndarray, generated: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Accuracy, precision, recall and F1 under case weights (N, R), (K, R) each."""
    same = original == generated
    mentioned, claimed = original != NOT_MENTIONED, generated != NOT_MENTIONED
    sums = weighted_sums(np.hstack([same, same & mentioned, claimed, mentioned]), weights)  # (4 K, R)
    equal, agreed, claims, mentions = np.split(sums, 4)
    precision, recall = _share(agreed, claims), _share(agreed, mentions)
    defined = ~np.isnan(precision) & ~np.isnan(recall)
    total = np.where(defined, precision + recall, 0)
    f1 = np.where(defined, ratio(np.where(defined, 2 * precision * recall, 0), total), np.nan)
    return equal / weights.sum(axis=0, dtype=np.float64), precision, recall, f1


def _positive_f1(original: np.ndarray, generated: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F1 of being positive under case weights (N, R): mean over findings, and pooled, (R,) each."""
    positive, called = original == POSITIVE, generated == POSITIVE
    counts = count(positive, called, np.ones_like(positive), weights)
    there = counts.hits + counts.false_alarms + counts.misses > 0
    return mean_defined(np.where(there, counts.f1(), np.nan)), counts.pooled().f1()[0]


def _fitting(original: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    original, generated = _checked(original, "original"), _checked(generated, "generated")
    if original.shape != generated.shape:
        raise DataError(
            f"labels of original reports {original.shape} and of generated ones {generated.shape} cannot be compared. "
            "give the same reports and findings, in the same order"
        )
    return original, generated


def _checked(labels: np.ndarray, whose: str) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 2 or not labels.size:
        raise DataError(
            f"labels of {whose} reports of shape {labels.shape} cannot be compared. give (reports, findings)"
        )
    strange = labels[~np.isin(labels, list(STATES))]
    if len(strange):
        known = ", ".join(f"{code} {state}" for code, state in STATES.items())
        raise DataError(f"labels of {whose} reports: {strange[0]} is no label. known: {known}")
    return labels


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, ratio(part, whole), np.nan)

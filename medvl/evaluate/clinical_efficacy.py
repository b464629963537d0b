"""Clinical efficacy of generated reports: do they state the findings that the original reports state?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medvl.errors import DataError
from medvl.evaluate.f1 import count, ratio
from medvl.labelers.base import NOT_MENTIONED, POSITIVE, STATES


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
        """Plain means over the findings where a measure is defined (NaN where none is), as `clinical_f1`, ..."""
        each = {name: getattr(self, name) for name in ("accuracy", "precision", "recall", "f1")}
        means = {f"clinical_{name}": _mean_defined(values) for name, values in each.items()}
        return means | {
            "clinical_positive_f1_macro": self.positive_f1_macro,
            "clinical_positive_f1_micro": self.positive_f1_micro,
        }


def clinical_efficacy(original: np.ndarray, generated: np.ndarray) -> ClinicalEfficacy:
    """Compare what a labeler (`medvl.Labeler`) reads from original and from generated reports.

    Args:
        original, generated: (N, K) integers of N reports and K findings: 1 positive, 0 negative, -1 uncertain,
            2 not mentioned.

    Raises:
        DataError: arrays that do not fit each other, no report, or another value.
    """
    original, generated = _checked(original, "original"), _checked(generated, "generated")
    if original.shape != generated.shape:
        raise DataError(
            f"labels of original reports {original.shape} and of generated ones {generated.shape} cannot be compared. "
            "give the same reports and findings, in the same order"
        )
    same = original == generated
    mentioned, claimed = original != NOT_MENTIONED, generated != NOT_MENTIONED
    agreed = (same & mentioned).sum(axis=0)
    precision, recall = _share(agreed, claimed.sum(axis=0)), _share(agreed, mentioned.sum(axis=0))
    defined = ~np.isnan(precision) & ~np.isnan(recall)
    total = np.where(defined, precision + recall, 0)
    f1 = np.where(defined, ratio(np.where(defined, 2 * precision * recall, 0), total), np.nan)
    return ClinicalEfficacy(same.mean(axis=0), precision, recall, f1, *_positive_f1(original, generated))


def _positive_f1(original: np.ndarray, generated: np.ndarray) -> tuple[float, float]:
    positive, called = original == POSITIVE, generated == POSITIVE
    counts = count(positive, called, np.ones_like(positive), np.ones((len(positive), 1), np.uint8))
    each = np.where((positive | called).any(axis=0), counts.f1()[:, 0], np.nan)
    return _mean_defined(each), float(counts.micro()[0])


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


def _mean_defined(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")

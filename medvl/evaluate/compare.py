"""Whether one model's predictions are better than another's on the same cases."""

from __future__ import annotations

from typing import Literal

import numpy as np

from medvl.errors import DataError
from medvl.evaluate.answers import Answers
from medvl.evaluate.auroc import RankedScores
from medvl.evaluate.base import Cases
from medvl.evaluate.bootstrap import Difference, Weighted, clusters, mean_defined, paired_difference


def compare(
    cases_a: Cases,
    cases_b: Cases,
    labels: tuple[str, ...],
    *,
    replicates: int = 1000,
    unit: Literal["patient", "case"] = "patient",
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Macro AUROC of `a` minus that of `b`, by a bootstrap that draws the same cases for both.

    Args:
        cases_a, cases_b: predictions of two models for the same rows, in any order.
        labels: names of the K findings; those without positive or negative cases are left out.
        replicates, unit, confidence, seed: as in `Multilabel`.

    Raises:
        DataError: the two do not hold the same rows with the same labels, or their macro AUROC is undefined.
    """
    order_a, order_b = np.argsort(cases_a.rows), np.argsort(cases_b.rows)
    if not np.array_equal(cases_a.rows[order_a], cases_b.rows[order_b]):
        shared = len(np.intersect1d(cases_a.rows, cases_b.rows))
        raise DataError(
            f"predictions for different cases cannot be compared: {len(cases_a.rows)} and {len(cases_b.rows)} cases, "
            f"{shared} in common. predict the same split of the same data with both models"
        )
    a, b = Answers.of(cases_a, labels), Answers.of(cases_b, labels)
    known, positive = a.known[order_a], a.positive[order_a]
    if not (np.array_equal(known, b.known[order_b]) and np.array_equal(positive, b.positive[order_b])):
        raise DataError(
            "predictions with different labels for the same cases cannot be compared. use one label policy for both"
        )
    if not (a.finite and b.finite and a.defined.any()):
        raise DataError(
            "macro AUROC cannot be compared: it is undefined. look for logits that are not numbers, and for a finding "
            "with both positive and negative cases"
        )

    def macro_auroc(logits: np.ndarray) -> Weighted:
        ranked = [
            RankedScores(positive[known[:, k], k], logits[known[:, k], k], np.flatnonzero(known[:, k]))
            for k in np.flatnonzero(a.defined)
        ]
        return lambda weights: mean_defined(np.array([scores.auroc(weights) for scores in ranked]))

    return paired_difference(
        macro_auroc,
        a.logits[order_a],
        b.logits[order_b],
        codes=clusters(cases_a.patients[order_a], unit),
        replicates=replicates,
        confidence=confidence,
        seed=seed,
    )

"""Whether one model's predictions are better than another's on the same cases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medvl.errors import DataError
from medvl.evaluate.answered import Answered
from medvl.evaluate.answers import Answers
from medvl.evaluate.base import Cases
from medvl.evaluate.bootstrap import Difference, IntervalRule, Replicated, clusters, difference_of, replicated
from medvl.evaluate.holm import holm
from medvl.evaluate.measures import Judged, names
from medvl.evaluate.medvill_significance import REPLICATES as MEDVILL_REPLICATES
from medvl.evaluate.medvill_significance import medvill_t_test

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Compared:
    """One metric of two models.

    Attributes:
        a, b: its value of each.
        difference: `a` minus `b`, with interval and p.
        adjusted: p by Holm's correction over the findings; NaN for averages, which are no part of that family.
        medvill: p of MedViLL's t-test on the first 30 replicates (`medvill_t_test`).
    """

    a: float
    b: float
    difference: Difference
    adjusted: float
    medvill: float


@dataclass(frozen=True)
class Comparison:
    """Two models, metric by metric (`auroc_macro`, ..., `auroc/Edema`), what was resampled, and what to know of it.

    Names with a slash are the family that p is adjusted over: findings, or types of questions.
    """

    metrics: dict[str, Compared]
    units: int
    notes: list[str]


def compare_findings(
    cases_a: Cases,
    cases_b: Cases,
    labels: tuple[str, ...],
    *,
    measure: str = "auroc",
    threshold: float = 0.5,
    replicates: int = 1000,
    unit: Literal["patient", "case"] = "patient",
    confidence: float = 0.95,
    rule: IntervalRule = "linear",
    seed: int = 0,
) -> Comparison:
    """One measure of `a` minus that of `b`: averages and findings, by a bootstrap that draws the same cases for both.

    Args:
        cases_a, cases_b: predictions of two models for the same rows, in any order.
        labels: names of the K findings; those without positive or negative cases are undefined and in no macro mean.
        measure: one of `medvl.evaluate.measures.MEASURES`.
        threshold, replicates, unit, confidence, rule, seed: as in `Multilabel`.

    Raises:
        DataError: the two do not hold the same rows with the same labels, or no finding is defined.
    """
    a, b, patients = _aligned(cases_a, cases_b, labels)
    codes = clusters(patients, unit)
    logit_threshold = float(np.log(threshold / (1 - threshold)))

    def replicates_of(answers: Answers) -> Replicated:
        judged = Judged(answers, logit_threshold)
        return replicated(lambda weights: judged.measure(measure, weights).rows(), codes, replicates, seed)

    metrics = compared(replicates_of(a), replicates_of(b), names(measure, labels), confidence, rule)
    return Comparison(metrics, int(codes.max()) + 1, a.notes() + too_few(replicates, int(a.defined.sum())))


def compare_answers(
    cases_a: Cases,
    cases_b: Cases,
    *,
    replicates: int = 1000,
    unit: Literal["patient", "case"] = "patient",
    confidence: float = 0.95,
    rule: IntervalRule = "linear",
    seed: int = 0,
) -> Comparison:
    """Accuracy of `a`'s answers minus that of `b`'s, of each group of questions; the same draws for both.

    What is right is told by each model's own classes, so that they may differ.

    Args:
        cases_a, cases_b: predictions of two models for the same questions, in one order.
        replicates, unit, confidence, rule, seed: as in `compare_findings`.

    Raises:
        DataError: the questions are not the same.
    """
    a, b = Answered.of(cases_a), Answered.of(cases_b)
    if a.names != b.names or not np.array_equal(a.members, b.members):
        raise DataError("answers to different questions cannot be compared. predict the same split of the same data")
    codes = clusters(cases_a.patients, unit)
    of_a, of_b = (replicated(each.accuracies, codes, replicates, seed) for each in (a, b))
    metrics = compared(of_a, of_b, a.names, confidence, rule)
    return Comparison(metrics, int(codes.max()) + 1, too_few(replicates, sum("/" in name for name in a.names)))


def compared(
    of_a: Replicated, of_b: Replicated, metrics: tuple[str, ...], confidence: float, rule: IntervalRule
) -> dict[str, Compared]:
    """M metrics of two models in the same draws; p is adjusted over those whose name has a slash.

    Args:
        of_a, of_b: values and replicates, drawn alike.
        metrics: their M names.
        confidence, rule: of the intervals (`percentile_interval`).
    """
    differences = [
        difference_of(one - other, draws, confidence, rule)
        for one, other, draws in zip(of_a.point, of_b.point, of_a.draws - of_b.draws, strict=True)
    ]
    medvill = [
        medvill_t_test(one[:MEDVILL_REPLICATES], other[:MEDVILL_REPLICATES])
        for one, other in zip(of_a.draws, of_b.draws, strict=True)
    ]
    family = np.array(["/" in name for name in metrics])
    adjusted = np.full(len(metrics), np.nan)
    adjusted[family] = holm(np.array([each.p for each in differences])[family])
    values = zip(of_a.point.tolist(), of_b.point.tolist(), differences, adjusted.tolist(), medvill, strict=True)
    return dict(zip(metrics, (Compared(*each) for each in values), strict=True))


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
    """Macro AUROC of `a` minus that of `b`; arguments and errors as in `compare_findings`."""
    found = compare_findings(
        cases_a, cases_b, labels, replicates=replicates, unit=unit, confidence=confidence, seed=seed
    )
    return found.metrics["auroc_macro"].difference


def too_few(replicates: int, findings: int) -> list[str]:
    """A sentence where no difference, however large, could be significant."""
    smallest = findings * 2 / (replicates + 1)
    if smallest < SIGNIFICANT:
        return []
    return [
        f"with {replicates} replicates and a family of {findings} no adjusted p can be below {smallest:.2f}. "
        f"draw at least {math.ceil(2 * findings / SIGNIFICANT)}"
    ]


def _aligned(cases_a: Cases, cases_b: Cases, labels: tuple[str, ...]) -> tuple[Answers, Answers, np.ndarray]:
    """Both models' answers, and the patients (N,), in the order of the rows."""
    ordered_a, ordered_b = _in_order(cases_a), _in_order(cases_b)
    if not np.array_equal(ordered_a.rows, ordered_b.rows):
        shared = len(np.intersect1d(cases_a.rows, cases_b.rows))
        raise DataError(
            f"predictions for different cases cannot be compared: {len(cases_a.rows)} and {len(cases_b.rows)} cases, "
            f"{shared} in common. predict the same split of the same data with both models"
        )
    a, b = Answers.of(ordered_a, labels), Answers.of(ordered_b, labels)
    if not (np.array_equal(a.known, b.known) and np.array_equal(a.positive, b.positive)):
        raise DataError(
            "predictions with different labels for the same cases cannot be compared. use one label policy for both"
        )
    if not (a.finite and b.finite and a.defined.any()):
        raise DataError(
            "these predictions cannot be compared: every metric is undefined. look for logits that are not numbers, "
            "and for a finding with both positive and negative cases"
        )
    return a, b, ordered_a.patients


def _in_order(cases: Cases) -> Cases:
    order = np.argsort(cases.rows)
    return Cases(
        cases.rows[order],
        cases.patients[order],
        {"labels": np.asarray(cases.fields["labels"])[order]},
        {"logits": np.asarray(cases.outputs["logits"])[order]},
    )

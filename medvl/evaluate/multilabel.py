"""Multilabel classification: AUROC and F1, macro, micro and per finding, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Container
from typing import Literal

import numpy as np

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.evaluate.answers import Answers
from medvl.evaluate.auroc import RankedScores, auroc
from medvl.evaluate.base import Cases, Evaluator, Result
from medvl.evaluate.bootstrap import clusters, mean_defined, percentile_interval, replicate_weights
from medvl.evaluate.f1 import Counts, count

SUMMARIES = ("auroc_macro", "auroc_micro", "f1_macro", "f1_micro", "f1_macro_of_means")


class Multilabel(Evaluator):
    """AUROC and F1 of K findings, macro, micro and one by one, with bootstrap intervals.

    Cases whose label is unknown (NaN) are left out, finding by finding. A finding without positive or without
    negative cases is undefined: its metrics are NaN, a note says so, and no macro mean contains it.

    - `auroc_macro`: mean AUROC of the defined findings. `auroc_micro`: AUROC of all known (case, finding) pairs pooled.
    - `f1_macro`: mean F1 of the defined findings. `f1_micro`: F1 of all known pairs pooled.
    - `f1_macro_of_means`: harmonic mean of the mean precision and the mean recall of the defined findings, which the
      code of the chest MMBT (Jacenkow et al., 2022) calls macro F1. It is not the mean of class F1.

    Args:
        data: names the findings, in the order of the columns.
        split: the split it is meant for (`train`, `val`, `test`).
        threshold: probability above which a finding is called positive, in (0, 1).
        replicates: bootstrap draws; 0 for no intervals.
        unit: what is drawn: patients with all their cases, or single cases.
        confidence: of the percentile intervals, in (0, 1).
        seed: of the draws.

    Raises:
        ConfigError: a parameter outside its range.
    """

    def __init__(
        self,
        data: DataSpec,
        *,
        split: str = "test",
        threshold: float = 0.5,
        replicates: int = 1000,
        unit: Literal["patient", "case"] = "patient",
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        for name, value in (("threshold", threshold), ("confidence", confidence)):
            if not 0 < value < 1:
                raise ConfigError(f"{name} {value} of evaluator 'multilabel' is out of range. it lies between 0 and 1")
        if replicates < 0 or seed < 0:
            raise ConfigError(f"replicates {replicates} and seed {seed} of evaluator 'multilabel' must be at least 0")
        self.labels = data.labels
        self.split = split
        self.logit_threshold = float(np.log(threshold / (1 - threshold)))
        self.replicates = replicates
        self.unit = unit
        self.confidence = confidence
        self.seed = seed

    def metrics(self) -> tuple[str, ...]:
        """The summaries, then `auroc/NAME` and `f1/NAME` of each finding."""
        each = [f"{kind}/{label}" for kind in ("auroc", "f1") for label in self.labels]
        return (*SUMMARIES, *each)

    def evaluate(self, cases: Cases, intervals: bool = True) -> Result:
        """All metrics of `cases`, which hold `labels` and `logits`, both (N, K).

        Raises:
            DataError: the arrays do not fit, or a label is neither 0, 1 nor NaN.
        """
        answers = Answers.of(cases, self.labels)
        values = self._point(answers) if answers.finite else np.full(len(self.metrics()), np.nan)
        result = Result(dict(zip(self.metrics(), values.tolist(), strict=True)), notes=answers.notes())
        result.counts = {f"positives/{k}": int(n) for k, n in zip(self.labels, answers.positives, strict=True)}
        if intervals and self.replicates and len(cases.rows) and answers.finite:
            self._add_intervals(result, answers, clusters(cases.patients, self.unit))
        return result

    def _point(self, answers: Answers) -> np.ndarray:
        """(M,) the metrics in the order of `metrics()`."""
        columns = zip(answers.positive.T, answers.logits.T, answers.known.T, strict=True)
        aurocs = np.array([auroc(positive[known], scores[known]) for positive, scores, known in columns])
        micro = auroc(answers.positive[answers.known], answers.logits[answers.known])
        ones = np.ones((len(answers.known), 1), np.uint8)
        return _assemble(aurocs.reshape(-1, 1), np.array([micro]), self._count(answers, ones))[:, 0]

    def _add_intervals(self, result: Result, answers: Answers, codes: np.ndarray) -> None:
        ranked = [_rank(answers, finding) for finding in range(len(self.labels))]
        pooled = _rank(answers)
        blocks = []
        for weights in replicate_weights(codes, self.replicates, self.seed):
            aurocs = np.array([scores.auroc(weights) for scores in ranked]).reshape(len(ranked), weights.shape[1])
            blocks.append(_assemble(aurocs, pooled.auroc(weights), self._count(answers, weights)))
        draws = dict(zip(self.metrics(), np.hstack(blocks), strict=True))
        for name, point in result.metrics.items():
            if not np.isnan(point):
                result.intervals[name] = percentile_interval(draws[name], self.confidence)
        result.notes += self._interval_notes(draws, result.intervals, int(codes.max()) + 1)

    def _interval_notes(self, draws: dict[str, np.ndarray], intervals: Container[str], units: int) -> list[str]:
        how = f"{self.confidence:.0%} percentile bootstrap, {self.replicates} draws of {units} {self.unit}s"
        undefined = {label: np.isnan(draws[f"auroc/{label}"]).mean() for label in self.labels}
        return [f"intervals: {how}"] + [
            f"{label}: no positive or no negative case in {share:.1%} of the draws, which its intervals leave out"
            for label, share in undefined.items()
            if share and f"auroc/{label}" in intervals
        ]

    def _count(self, answers: Answers, weights: np.ndarray) -> Counts:
        return count(answers.positive, answers.logits > self.logit_threshold, answers.known, weights)

    def table(self, result: Result) -> tuple[list[str], list[list[str]]]:
        """Macro, micro, then each finding: AUROC and F1 with their intervals, and the number of positive cases."""
        names = [("macro", "_macro"), ("micro", "_micro"), *((label, f"/{label}") for label in self.labels)]
        positives = [sum(result.counts.values())] * 2 + [result.counts[f"positives/{label}"] for label in self.labels]
        rows = [
            [name, _cell(result, f"auroc{suffix}"), _cell(result, f"f1{suffix}"), str(number)]
            for (name, suffix), number in zip(names, positives, strict=True)
        ]
        return ["finding", "AUROC", "F1", "positives"], rows


def _rank(answers: Answers, finding: int | None = None) -> RankedScores:
    """The known scores of one finding, or of all findings pooled, ready to be weighted by case."""
    column = slice(None) if finding is None else slice(finding, finding + 1)
    known = answers.known[:, column]
    return RankedScores(answers.positive[:, column][known], answers.logits[:, column][known], np.nonzero(known)[0])


def _assemble(aurocs: np.ndarray, micro: np.ndarray, counts: Counts) -> np.ndarray:
    """From AUROC (K, R), pooled AUROC (R,) and confusion counts (K, R) to all metrics (M, R)."""

    def defined(values: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(aurocs), np.nan, values)  # AUROC is undefined exactly where one side has no case

    f1 = defined(counts.f1())
    precision, recall = mean_defined(defined(counts.precision())), mean_defined(defined(counts.recall()))
    # where the sum is 0 or NaN, the harmonic mean keeps that very value
    of_means = np.divide(
        2 * precision * recall, precision + recall, out=precision + recall, where=precision + recall > 0
    )
    f1_micro = np.where(np.isnan(micro), np.nan, counts.micro())
    return np.vstack([mean_defined(aurocs), micro, mean_defined(f1), f1_micro, of_means, aurocs, f1])


def _cell(result: Result, name: str) -> str:
    """`0.812 (0.78-0.84)`, or a dash where undefined."""
    value = result.metrics[name]
    if np.isnan(value):
        return "–"
    low, high = result.intervals.get(name, (np.nan, np.nan))
    return f"{value:.3f}" if np.isnan(low) else f"{value:.3f} ({low:.2f}-{high:.2f})"

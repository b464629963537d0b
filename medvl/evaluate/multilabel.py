"""Multilabel classification: macro, micro and per finding, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Container
from types import MappingProxyType
from typing import Literal

import numpy as np

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.evaluate.answers import Answers
from medvl.evaluate.base import Cases, Evaluator, Result
from medvl.evaluate.bootstrap import IntervalRule, clusters, percentile_interval, replicate_weights
from medvl.evaluate.cells import cell
from medvl.evaluate.measures import MEASURES, Judged, names, summaries

MeasureName = Literal["auroc", "auprc", "f1", "accuracy", "brier", "calibration"]


class Multilabel(Evaluator):
    """How well K findings are told, macro, micro and one by one, with bootstrap intervals.

    Cases whose label is unknown (NaN) are left out, finding by finding. A finding without positive or without
    negative cases is undefined: its metrics are NaN, a note says so, and no macro mean contains it.

    - `auroc_macro`: mean AUROC of the defined findings. `auroc_micro`: AUROC of all known (case, finding) pairs pooled.
      Likewise `auprc` (average precision; chance is the prevalence), `accuracy`, `brier` (mean squared distance of
      probability and label) and `calibration` (expected calibration error over 15 equal bins).
    - `f1_macro`: mean F1 of the defined findings. `f1_micro`: F1 of all known pairs pooled.
    - `f1_macro_of_means`: harmonic mean of the mean precision and the mean recall of the defined findings, which the
      code of the chest MMBT (Jacenkow et al., 2022) calls macro F1. It is not the mean of class F1.

    Args:
        data: names the findings, in the order of the columns.
        split: the split it is meant for (`train`, `val`, `test`).
        metrics: what is measured, in the order of the table's columns.
        threshold: probability above which a finding is called positive, in (0, 1).
        replicates: bootstrap draws; 0 for no intervals.
        unit: what is drawn: patients with all their cases, or single cases.
        confidence: of the percentile intervals, in (0, 1).
        rule: how the interval's ends are read off the replicates (`percentile_interval`); `ranks` is MoCo-CXR's.
        seed: of the draws.

    Raises:
        ConfigError: a parameter outside its range.
    """

    smoke = MappingProxyType({"replicates": 20})

    def __init__(
        self,
        data: DataSpec,
        *,
        split: str = "test",
        metrics: tuple[MeasureName, ...] = ("auroc", "f1"),
        threshold: float = 0.5,
        replicates: int = 1000,
        unit: Literal["patient", "case"] = "patient",
        confidence: float = 0.95,
        rule: IntervalRule = "linear",
        seed: int = 0,
    ) -> None:
        for name, value in (("threshold", threshold), ("confidence", confidence)):
            if not 0 < value < 1:
                raise ConfigError(f"{name} {value} of evaluator 'multilabel' is out of range. it lies between 0 and 1")
        if replicates < 0 or seed < 0:
            raise ConfigError(f"replicates {replicates} and seed {seed} of evaluator 'multilabel' must be at least 0")
        if not metrics or len(set(metrics)) < len(metrics):
            asked = ", ".join(metrics) or "none"
            raise ConfigError(f"metrics of evaluator 'multilabel': {asked}. name at least one, each once")
        self.labels = data.labels
        self.measures = tuple(metrics)
        self.split = split
        self.logit_threshold = float(np.log(threshold / (1 - threshold)))
        self.replicates = replicates
        self.unit = unit
        self.confidence = confidence
        self.rule: IntervalRule = rule
        self.seed = seed

    def metrics(self) -> tuple[str, ...]:
        """The averages (`auroc_macro`, ...) of every measure, then `auroc/NAME`, ... of each finding."""
        averages = [name for measure in self.measures for name in summaries(measure)]
        each = [f"{measure}/{label}" for measure in self.measures for label in self.labels]
        return (*averages, *each)

    def evaluate(self, cases: Cases, intervals: bool = True) -> Result:
        """All metrics of `cases`, which hold `labels` and `logits`, both (N, K).

        Raises:
            DataError: the arrays do not fit, or a label is neither 0, 1 nor NaN.
        """
        answers = Answers.of(cases, self.labels)
        result = Result(dict.fromkeys(self.metrics(), np.nan), notes=answers.notes())
        judged = Judged(answers, self.logit_threshold)
        if answers.finite:
            once = self._measure(judged, np.ones((len(answers.known), 1), np.uint8))
            result.metrics |= {name: float(values[0]) for name, values in once.items()}
        result.counts = {f"positives/{k}": int(n) for k, n in zip(self.labels, answers.positives, strict=True)}
        if intervals and self.replicates and len(cases.rows) and answers.finite:
            self._add_intervals(result, judged, clusters(cases.patients, self.unit))
        return result

    def _measure(self, judged: Judged, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Every metric by name, each (R,), under the case weights (N, R)."""
        found: dict[str, np.ndarray] = {}
        for measure in self.measures:
            rows = judged.measure(measure, weights).rows()
            found |= dict(zip(names(measure, self.labels), rows, strict=True))
        return found

    def _add_intervals(self, result: Result, judged: Judged, codes: np.ndarray) -> None:
        blocks = [self._measure(judged, weights) for weights in replicate_weights(codes, self.replicates, self.seed)]
        draws = {name: np.concatenate([block[name] for block in blocks]) for name in result.metrics}
        for name, point in result.metrics.items():
            if not np.isnan(point):
                result.intervals[name] = percentile_interval(draws[name], self.confidence, self.rule)
        result.notes += self._interval_notes(draws, result.intervals, int(codes.max()) + 1)

    def _interval_notes(self, draws: dict[str, np.ndarray], intervals: Container[str], units: int) -> list[str]:
        how = f"{self.confidence:.0%} percentile bootstrap, {self.replicates} draws of {units} {self.unit}s"
        first = self.measures[0]  # all are undefined in the same draws
        undefined = {label: np.isnan(draws[f"{first}/{label}"]).mean() for label in self.labels}
        return [f"intervals: {how}"] + [
            f"{label}: no positive or no negative case in {share:.1%} of the draws, which its intervals leave out"
            for label, share in undefined.items()
            if share and f"{first}/{label}" in intervals
        ]

    def table(self, result: Result) -> tuple[list[str], list[list[str]]]:
        """Macro, micro, then each finding: every measure with its interval, and the number of positive cases."""
        lines = [("macro", "_macro"), ("micro", "_micro"), *((label, f"/{label}") for label in self.labels)]
        positives = [sum(result.counts.values())] * 2 + [result.counts[f"positives/{label}"] for label in self.labels]
        rows = [
            [name, *(cell(result, measure + suffix) for measure in self.measures), str(number)]
            for (name, suffix), number in zip(lines, positives, strict=True)
        ]
        return ["finding", *(MEASURES[measure].title for measure in self.measures), "positives"], rows

"""Multilabel classification: macro, micro and per finding, with bootstrap intervals."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.evaluate.answers import Answers
from medvl.evaluate.base import Cases, Evaluator, Result
from medvl.evaluate.bootstrap import IntervalRule
from medvl.evaluate.cells import cell
from medvl.evaluate.draws import Fact, digest
from medvl.evaluate.measures import MEASURES, Judged, names, summaries
from medvl.evaluate.resampling import Resampling
from medvl.evaluate.studies import by_study

MeasureName = Literal["auroc", "auprc", "f1", "precision", "recall", "accuracy", "brier", "calibration"]


class Multilabel(Evaluator):
    """How well K findings are told, macro, micro and one by one, with bootstrap intervals.

    Cases whose label is unknown (NaN) are left out, finding by finding. A finding without positive or without
    negative cases is undefined: its metrics are NaN, a note says so, and no macro mean contains it.

    - `auroc_macro`: mean AUROC of the defined findings. `auroc_micro`: AUROC of all known (case, finding) pairs pooled.
      Likewise `auprc` (average precision; chance is the prevalence), `precision` and `recall` of the calls, `accuracy`,
      `brier` (mean squared distance of probability and label) and `calibration` (expected calibration error over 15
      equal bins).
    - `f1_macro`: mean F1 of the defined findings. `f1_micro`: F1 of all known pairs pooled.
    - `f1_macro_of_means`: harmonic mean of the mean precision and the mean recall of the defined findings, which the
      code of the chest MMBT (Jacenkow et al., 2022) calls macro F1. It is not the mean of class F1.

    Args:
        data: names the findings, in the order of the columns.
        split: the split it is meant for (`train`, `val`, `test`).
        views: `each` radiograph is a case; `max`: each study is one, by the largest logit of its views
            (`medvl.evaluate.studies`), here and where validation selects weights.
        metrics: what is measured, in the order of the table's columns.
        threshold: probability above which a finding is called positive, in (0, 1).
        replicates: bootstrap draws; 0 for no intervals.
        unit: what is drawn: patients with all their cases, or single cases (radiographs, or studies).
        confidence: of the percentile intervals, in (0, 1).
        rule: how the interval's ends are read off the replicates (`percentile_interval`); `ranks` is MoCo-CXR's.
        seed: of the draws.

    Raises:
        ConfigError: a parameter outside its range.
    """

    smoke = MappingProxyType({"replicates": 20})
    falls: ClassVar[tuple[str, ...]] = tuple(name for name, measure in MEASURES.items() if measure.falls)

    def __init__(
        self,
        data: DataSpec,
        *,
        split: str = "test",
        views: Literal["each", "max"] = "each",
        metrics: tuple[MeasureName, ...] = ("auroc", "f1"),
        threshold: float = 0.5,
        replicates: int = 1000,
        unit: Literal["patient", "case"] = "patient",
        confidence: float = 0.95,
        rule: IntervalRule = "linear",
        seed: int = 0,
    ) -> None:
        if not 0 < threshold < 1:
            raise ConfigError(
                f"threshold {threshold} of evaluator 'multilabel' is out of range. it lies between 0 and 1"
            )
        if not metrics or len(set(metrics)) < len(metrics):
            asked = ", ".join(metrics) or "none"
            raise ConfigError(f"metrics of evaluator 'multilabel': {asked}. name at least one, each once")
        self.labels = data.labels
        self.measures = tuple(metrics)
        self.split = split
        self.views = views
        self.threshold = threshold
        self.resampling = Resampling("multilabel", replicates, unit, confidence, seed, rule)

    def metrics(self) -> tuple[str, ...]:
        """The averages (`auroc_macro`, ...) of every measure, then `auroc/NAME`, ... of each finding."""
        averages = [name for measure in self.measures for name in summaries(measure)]
        each = [f"{measure}/{label}" for measure in self.measures for label in self.labels]
        return (*averages, *each)

    def evaluate(self, cases: Cases, intervals: bool = True) -> Result:
        """All metrics of `cases`, which hold `labels` and `logits`, both (N, K).

        Raises:
            DataError: the arrays do not fit, a label is neither 0, 1 nor NaN, or studies are asked for and not known.
        """
        judged_cases, positions = by_study(cases) if self.views == "max" else (cases, None)
        answers = Answers.of(judged_cases, self.labels)
        result = Result(dict.fromkeys(self.metrics(), np.nan), notes=answers.notes())
        if positions is not None:
            result.notes.append(
                f"{len(positions)} studies, each by the largest logit of its views ({len(cases.rows)} radiographs)"
            )
        result.counts = {f"positives/{k}": int(n) for k, n in zip(self.labels, answers.positives, strict=True)}
        if answers.finite:
            judged = Judged(answers, float(np.log(self.threshold / (1 - self.threshold))))

            def measure(weights: np.ndarray) -> np.ndarray:  # (N, R) -> (M, R)
                return np.vstack([judged.measure(name, weights).rows() for name in self.measures])

            each = [name for measure in self.measures for name in names(measure, self.labels)]
            told: dict[str, Fact] = {
                "findings": ", ".join(self.labels),
                "threshold": self.threshold,
                "views": self.views,
                "labels": digest(answers.truth),
            }
            self.resampling.fill(result, each, measure, cases, intervals, positions=positions, judged=told)
            result.notes += self._undefined(result)
        return result

    def _undefined(self, result: Result) -> list[str]:
        """Findings that some draws leave without positive or without negative cases."""
        if result.draws is None:
            return []
        first = self.measures[0]  # all are undefined in the same draws
        undefined = {label: np.isnan(result.draws.values[f"{first}/{label}"]).mean() for label in self.labels}
        return [
            f"{label}: no positive or no negative case in {share:.1%} of the draws, which its intervals leave out"
            for label, share in undefined.items()
            if share and f"{first}/{label}" in result.intervals
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

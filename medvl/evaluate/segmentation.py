"""Segmentation: overlap of predicted and reference masks, with bootstrap intervals."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np

from medvl.contract import THRESHOLDS, DataSpec
from medvl.errors import ConfigError, DataError
from medvl.evaluate.base import Cases, Evaluator, Result
from medvl.evaluate.bootstrap import IntervalRule
from medvl.evaluate.cells import cell
from medvl.evaluate.draws import digest
from medvl.evaluate.overlap import OVERLAPS, Overlap, overlap
from medvl.evaluate.resampling import Resampling
from medvl.evaluate.sums import means_of_findings

TITLES = {"med_dice": "medDice", "dice": "Dice", "iou": "IoU"}


class Segmentation(Evaluator):
    """How well K findings are outlined: means over images of `medvl.evaluate.overlap.overlap`, with intervals.

    `dice` and `iou` are of the images that have the finding, `med_dice` of all: there an image without it scores 1 only
    where nothing is predicted, so that predicting nothing anywhere scores the share of such images, which a note gives.
    `dice_macro` is the mean over findings, `dice/NAME` that of one; likewise the others.

    Args:
        data: names the findings, in the order of the counts.
        split: the split it is meant for (`train`, `val`, `test`).
        threshold: probability above which a pixel is called positive; one of 0.05, 0.1, ... 0.95.
        select: take, for each finding, the threshold at which this measure is best on the validation cases, in place of
            `threshold`. Validation itself, and early stopping, keep `threshold`.
        replicates: bootstrap draws; 0 for no intervals.
        unit: what is drawn: patients with all their cases, or single cases.
        confidence: of the percentile intervals, in (0, 1).
        rule: how the interval's ends are read off the replicates (`percentile_interval`).
        seed: of the draws.

    Raises:
        ConfigError: a parameter outside its range.
    """

    smoke = MappingProxyType({"replicates": 20})
    reads: ClassVar[tuple[str, ...]] = ()
    wants: tuple[str, ...] = ("intersection", "predicted", "reference")

    def __init__(
        self,
        data: DataSpec,
        *,
        split: str = "test",
        threshold: float = 0.5,
        select: Overlap | None = None,
        replicates: int = 1000,
        unit: Literal["patient", "case"] = "patient",
        confidence: float = 0.95,
        rule: IntervalRule = "linear",
        seed: int = 0,
    ) -> None:
        places = [place for place, each in enumerate(THRESHOLDS) if abs(each - threshold) < 1e-9]
        if not places:
            raise ConfigError(f"threshold {threshold:g} of evaluator 'segmentation' is not one of 0.05, 0.1, ... 0.95")
        self.names = data.masks
        self.split = split
        self.select = select
        self.tunes = select is not None
        self.chosen = np.full(len(self.names), places[0])  # place in THRESHOLDS of each finding's
        self.resampling = Resampling("segmentation", replicates, unit, confidence, seed, rule)

    def metrics(self) -> tuple[str, ...]:
        """`med_dice_macro`, `dice_macro`, `iou_macro`, then `med_dice/NAME`, ... of each finding."""
        return (
            *(f"{each}_macro" for each in OVERLAPS),
            *(f"{each}/{name}" for each in OVERLAPS for name in self.names),
        )

    def tune(self, cases: Cases) -> None:
        """Choose each finding's threshold on these cases; the lowest of equally good ones.

        A finding that none of them has keeps its threshold.
        """
        assert self.select is not None
        values = overlap(self.select, *self._counts(cases))  # (N, K, T)
        known = ~np.isnan(values)
        means = np.where(known, values, 0).sum(0) / np.maximum(known.sum(0), 1)  # (K, T)
        self.chosen = np.where(known.any((0, 2)), means.argmax(1), self.chosen)

    def evaluate(self, cases: Cases, intervals: bool = True) -> Result:
        """All metrics of `cases`, whose outputs are the counts of objective `segmentation`.

        Raises:
            DataError: the counts do not fit the findings.
        """
        counts = [np.take_along_axis(each, self.chosen[None, :, None], 2)[..., 0] for each in self._counts(cases)]
        values = np.stack([overlap(measure, *counts) for measure in OVERLAPS], 1)  # (N, M, K)
        result = Result(dict.fromkeys(self.metrics(), np.nan))
        present = (counts[2] > 0).sum(0)  # (K,)
        result.counts = {f"with/{name}": int(n) for name, n in zip(self.names, present, strict=True)}
        result.counts["cases"] = len(cases.rows)
        if len(cases.rows):
            self._measure(result, values, cases, counts[2], intervals)
            result.notes += self._notes(1 - present / len(cases.rows))
        return result

    def _measure(
        self, result: Result, values: np.ndarray, cases: Cases, reference: np.ndarray, intervals: bool
    ) -> None:
        # a stage with other masks, or of another size, has other pixels to cover; thresholds may differ
        judged = {"masks": digest(reference.astype(np.int64))}
        self.resampling.fill(result, self.metrics(), means_of_findings(values), cases, intervals, judged=judged)

    def _notes(self, empty: np.ndarray) -> list[str]:
        told = ", ".join(f"{name} {share:.3f}" for name, share in zip(self.names, empty, strict=True))
        at = ", ".join(f"{name} {THRESHOLDS[place]:g}" for name, place in zip(self.names, self.chosen, strict=True))
        how = "chosen on the validation cases" if self.tunes else "fixed"
        return [f"thresholds, {how}: {at}", f"medDice of predicting nothing anywhere: {told}"]

    def _counts(self, cases: Cases) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`intersection`, `predicted` and `reference`, (N, K, T) each."""
        shape = (len(cases.rows), len(self.names), len(THRESHOLDS))
        both, predicted, reference = (cases.outputs[name] for name in self.wants)
        if both.shape != predicted.shape or both.size != np.prod(shape) or reference.shape != shape[:2]:
            raise DataError(
                f"counts of pixels of shapes {both.shape} and {reference.shape} are not of {shape[1]} findings at "
                f"{shape[2]} thresholds. do: predict again with objective 'segmentation' and the same masks"
            )
        return both.reshape(shape), predicted.reshape(shape), np.broadcast_to(reference[..., None], shape)

    def table(self, result: Result) -> tuple[list[str], list[list[str]]]:
        """Each measure with its interval: the mean over findings, then each; and the images that have the finding."""
        lines = [("macro", "_macro"), *((name, f"/{name}") for name in self.names)]
        present = [sum(result.counts[f"with/{name}"] for name in self.names)]
        present += [result.counts[f"with/{name}"] for name in self.names]
        rows = [
            [name, *(cell(result, measure + suffix) for measure in OVERLAPS), str(number)]
            for (name, suffix), number in zip(lines, present, strict=True)
        ]
        return ["finding", *(TITLES[measure] for measure in OVERLAPS), "images with it"], rows

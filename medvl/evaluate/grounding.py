"""Grounding: whether a classifier looks where a finding stands, from its maps and the data's boxes."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.evaluate.base import SALIENCY, Cases, Evaluator, Result
from medvl.evaluate.bootstrap import IntervalRule
from medvl.evaluate.cells import cell
from medvl.evaluate.draws import Fact, digest
from medvl.evaluate.localisation import localised
from medvl.evaluate.resampling import Resampling
from medvl.evaluate.sums import means_of_findings

MEASURES = ("iou", "pointing")
TITLES = {"iou": "IoU", "pointing": "pointing game"}


class Grounding(Evaluator):
    """How well maps of a finding (Grad-CAM) agree with its boxes, in the cases that have some (Dalla Serra 2022,
    Table 3).

    - `iou`: intersection over union of the boxes and the map's positive region, which is where it is above `threshold`
      times its largest value. Boxes of one finding in one case count together.
    - `pointing`: share of the cases in which the map is largest inside a box (Zhang et al., 2018).

    `iou/NAME` is the mean over the cases with boxes of a finding, `iou_macro` the mean over the findings that have
    some; likewise `pointing`. A map with nothing above 0 overlaps nothing and points nowhere.

    Args:
        data: names the findings.
        split: the split it is meant for (`train`, `val`, `test`).
        threshold: of a map's largest value, in [0, 1); at 0 all that speaks for the finding is its region.
        replicates: bootstrap draws; 0 for no intervals.
        unit: what is drawn of the cases with boxes: patients with all their cases, or single cases.
        confidence: of the percentile intervals, in (0, 1).
        rule: how the interval's ends are read off the replicates (`percentile_interval`).
        seed: of the draws.

    Raises:
        ConfigError: a parameter outside its range.
    """

    smoke = MappingProxyType({"replicates": 20})
    reads: ClassVar[tuple[str, ...]] = ("boxes",)
    wants: tuple[str, ...] = (SALIENCY,)
    listing: ClassVar[str] = "located"

    def __init__(
        self,
        data: DataSpec,
        *,
        split: str = "test",
        threshold: float = 0.5,
        replicates: int = 1000,
        unit: Literal["patient", "case"] = "patient",
        confidence: float = 0.95,
        rule: IntervalRule = "linear",
        seed: int = 0,
    ) -> None:
        if not 0 <= threshold < 1:
            raise ConfigError(
                f"threshold {threshold:g} of evaluator 'grounding' is out of range. it is at least 0 and below 1"
            )
        self.labels = data.labels
        self.split = split
        self.threshold = threshold
        self.resampling = Resampling("grounding", replicates, unit, confidence, seed, rule)

    def metrics(self) -> tuple[str, ...]:
        """`iou_macro`, `pointing_macro`, then `iou/NAME`, ... and `pointing/NAME`, ... of each finding."""
        return (
            *(f"{measure}_macro" for measure in MEASURES),
            *(f"{measure}/{label}" for measure in MEASURES for label in self.labels),
        )

    def evaluate(self, cases: Cases, intervals: bool = True) -> Result:
        """All metrics, of the cases that have boxes."""
        of, boxes = cases.fields["boxed"], cases.fields["boxes"]
        result = Result(dict.fromkeys(self.metrics(), np.nan))
        number = np.bincount(of[:, 1], minlength=len(self.labels))
        result.counts = {f"boxed/{label}": int(n) for label, n in zip(self.labels, number, strict=True)}
        if not len(of):
            result.notes.append(f"no case of split {self.split} has a box of one of the findings")
            return result
        maps = cases.outputs[SALIENCY]
        overlaps, hits, areas = localised(maps, boxes, self.threshold)
        positions, place = np.unique(of[:, 0], return_inverse=True)
        values = np.full((len(positions), len(MEASURES), len(self.labels)), np.nan)  # (n, M, K)
        values[place, 0, of[:, 1]], values[place, 1, of[:, 1]] = overlaps, hits
        judged: dict[str, Fact] = {
            "findings": ", ".join(self.labels),
            "threshold": self.threshold,
            "boxes": digest(boxes),
        }
        self.resampling.fill(
            result, self.metrics(), means_of_findings(values), cases, intervals, positions=positions, judged=judged
        )
        result.notes += self._notes(of[:, 1], areas, maps)
        return result

    def _notes(self, findings: np.ndarray, areas: np.ndarray, maps: np.ndarray) -> list[str]:
        told = [
            f"{label} {areas[findings == number].mean():.3f}"
            for number, label in enumerate(self.labels)
            if (findings == number).any()
        ]
        rows, columns = maps.shape[1:]
        notes = [
            f"maps have {rows} x {columns} cells" + (": larger images would have more" if rows * columns < 9 else ""),
            f"by chance, both measures (the whole image as region; pointing anywhere): {', '.join(told)}",
        ]
        empty = int((maps.max((1, 2)) <= 0).sum())
        if empty:
            notes.append(f"{empty} of {len(areas)} maps have nothing above 0; they count as misses")
        return notes

    def listed(self, cases: Cases) -> dict[str, np.ndarray]:
        """Each map: row of the study table, finding, `iou`, and `pointing` (1 inside a box, else 0)."""
        of = cases.fields["boxed"]
        overlaps, hits, _ = localised(cases.outputs[SALIENCY], cases.fields["boxes"], self.threshold)
        names = np.array(self.labels, object)[of[:, 1]]
        return {"row": cases.rows[of[:, 0]], "finding": names, "iou": overlaps, "pointing": hits.astype(np.int64)}

    def table(self, result: Result) -> tuple[list[str], list[list[str]]]:
        """Both measures with their intervals: the mean over findings, then each that has boxes, and its cases."""
        boxed = {label: result.counts[f"boxed/{label}"] for label in self.labels}
        lines = [("macro", "_macro", sum(boxed.values()))]
        lines += [(label, f"/{label}", number) for label, number in boxed.items() if number]
        rows = [[name, *(cell(result, m + suffix) for m in MEASURES), str(number)] for name, suffix, number in lines]
        return ["finding", *(TITLES[measure] for measure in MEASURES), "cases with a box"], rows

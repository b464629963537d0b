"""What an evaluator is: metrics over a split's predictions. It knows no model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from medvl.evaluate.families import of_family

if TYPE_CHECKING:
    import numpy as np

    from medvl.evaluate.draws import Draws


PAIR_SCORES = "pair_scores"  # not of a case alone: each image of a pool with each text of it
SALIENCY = "saliency"  # not of a case alone: of each finding that has a box in it
APART = (PAIR_SCORES, SALIENCY)  # outputs that no `predict` gives


@dataclass
class Cases:
    """A split's predictions, in the order of the study table.

    Attributes:
        rows: (N,) int64 row numbers of the study table.
        patients: (N,) int64 patient codes, for resampling by patient.
        fields: what was read: `labels` (N, K) float32 with NaN where a label is unknown, and where an evaluator reads
            it `text` (N,) object, the str of the stage's text section, empty where a case has none. Where it reads
            `boxes`: `boxed` (P, 2) int64, a case's position and a finding that has boxes in it, and `boxes` (M, 5)
            float64, which of these P, then x, y (of the upper left corner), width, height as fractions of what the
            model sees.
        outputs: what the objective predicted, e.g. `logits` (N, K) float32; and `pair_scores` (P, n, n) float32 of
            the pools that an evaluator asks for (`Evaluator.pools_of`), image i (row) with text j (column); and
            `saliency` (P, h, w) float32, at least 0, where the model looks for the findings of `boxed`.
        studies: (N,) int64 study codes, equal for the views of one study; None where they are not known.
    """

    rows: np.ndarray
    patients: np.ndarray
    fields: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    studies: np.ndarray | None = None


@dataclass
class Result:
    """Metrics by name, their intervals, and sentences that a reader must see (undefined classes).

    Attributes:
        metrics: flat names, e.g. `auroc_macro`, `auroc/Cardiomegaly`; NaN where undefined.
        intervals: for some of them (low, high).
        notes: sentences about what the numbers leave out.
        counts: how many cases stand behind them, e.g. `positives/Cardiomegaly`.
        draws: the replicates that the intervals were read off (`medvl.Resampling` gives them); a stage keeps them, so
            that paired differences to other stages can be told. None where nothing was drawn.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    draws: Draws | None = field(default=None, repr=False, compare=False)


class Evaluator(ABC):
    """Metrics over predictions.

    The constructor's first parameters may be `data` (`medvl.DataSpec`) and `tokenizer` (of the model's text encoder,
    None where it has none), in any order and each optional; keyword-only parameters are the YAML's.

    Attributes:
        reads: fields it wants beside the predictions: `labels`, `text`, `answers`, `boxes`.
        wants: outputs that the objective's `predict` must give; or `pair_scores`, which it gives where it scores pairs;
            or `saliency`, which it gives where it predicts `logits` of findings from an image.
        instead: outputs that will do where it does not give those.
        falls: metrics, or families of them (`brier` of `brier_macro` and `brier/Edema`), of which less is better.
        listing: what `listed` gives a list of, where it gives one; it becomes the file's name.
        split: whose cases it gets at the end of a stage.
        tunes: it chooses something, such as thresholds, on the validation cases: `tune` is called before `evaluate` at
            the end of a stage.
        smoke: parameters and what they are at most, or instead, in a smoke run (`medvl.config.smoke`): replicates.
    """

    reads: ClassVar[tuple[str, ...]] = ("labels",)
    wants: tuple[str, ...] = ("logits",)
    instead: tuple[str, ...] = ()
    falls: ClassVar[tuple[str, ...]] = ()
    listing: ClassVar[str] = ""
    smoke: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    split: str = "test"
    tunes: bool = False

    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """The flat names that `evaluate` gives, known before any data is read."""

    def tune(self, cases: Cases) -> None:
        """Choose on the validation cases what `evaluate` then keeps to."""
        raise NotImplementedError

    @abstractmethod
    def evaluate(self, cases: Cases, intervals: bool = True) -> Result:
        """All metrics; without `intervals` only the point values (what validation needs)."""

    @abstractmethod
    def table(self, result: Result) -> tuple[list[str], list[list[str]]]:
        """(column titles, rows) of text, to print at the end of a run."""

    def takes(self, given: Collection[str]) -> tuple[str, ...] | None:
        """Which outputs it takes where an objective gives these; None where too few."""
        for outputs in (self.wants, self.instead):
            if outputs and set(outputs) <= set(given):
                return outputs
        return None if self.wants else ()

    def less_is_better(self, metric: str) -> bool:
        """Whether a smaller value of a metric is the better one."""
        return any(of_family(metric, family) for family in self.falls)

    def pools_of(self, cases: int) -> np.ndarray:
        """Of an evaluator that takes `pair_scores`: (P, n) int64, positions among N cases.

        Every image of a pool is scored with every text of it.
        """
        raise NotImplementedError

    def listed(self, cases: Cases) -> dict[str, np.ndarray]:
        """What a reader may want to see case by case, beside the metrics: columns by name, of one length."""
        raise NotImplementedError

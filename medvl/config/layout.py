"""How a table is laid out, and the paper's numbers that stand beside ours: the `table:` of a file with a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medvl.errors import ConfigError, unknown

Choices = tuple[str, ...]  # one of each row axis, then one of each column axis


@dataclass(frozen=True)
class Metric:
    """What a column shows: the number that the first evaluator of a stage gives which has one of this name."""

    label: str
    stage: str
    name: str

    @classmethod
    def read(cls, label: str, text: str) -> Metric:
        """From `STAGE/METRIC`.

        Raises:
            ConfigError: it is written in another way.
        """
        stage, separator, name = text.partition("/")
        if not separator or not stage or not name:
            raise ConfigError(f"metric is STAGE/METRIC, e.g. finetune/auroc_macro; found '{text}'")
        return cls(label, stage, name)


class Layout:
    """Which axis goes where, and what is shown.

    Args:
        metric: `STAGE/METRIC`, e.g. `probe/auroc_macro`: of the first evaluator of that stage that gives it. Several,
            each under its heading, `{AUROC: probe/auroc_macro, F1: probe/f1_macro}`, stand side by side below each
            choice of the columns; they may be of different stages, and a cell without a stage leaves its place empty.
        rows: the axis, or axes, whose choices are the rows.
        columns: the axis, or axes, whose choices are the columns.
        over: the axis, or axes, whose choices are averaged (seeds).
        against: a choice of the first row axis: beside the values of the others stands their paired difference to the
            cell of this choice that is like them in all else.
        search: the axis, or axes, of which the choice that does best on validation counts (learning rates). Best is by
            what the stage's `stop` selects its weights; the test split has no say.
        tolerance: a mean this close to the paper's number reproduces it.
        paper: `source` (where its numbers stand), `scale` (what they are multiplied by; 0.01 for percentages) and
            `values`: a choice of each row axis, then of each column axis, then a heading of several metrics, down to
            a number; what is left out is not known.
        quoted: rows that are not run here: name -> `source`, `scale` and `values`, from the column axes downwards.
    """

    def __init__(
        self,
        *,
        metric: str | dict[str, str],
        rows: str | tuple[str, ...],
        columns: str | tuple[str, ...] = (),
        over: str | tuple[str, ...] = (),
        against: str | None = None,
        search: str | tuple[str, ...] = (),
        tolerance: float = 0.01,
        paper: dict[str, Any] | None = None,
        quoted: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.several = not isinstance(metric, str)
        labelled = {metric.partition("/")[2]: metric} if isinstance(metric, str) else metric
        self.metrics = tuple(Metric.read(label, text) for label, text in labelled.items())
        if not self.metrics:
            raise ConfigError("metric names at least one, {HEADING: STAGE/METRIC}")
        if tolerance < 0:
            raise ConfigError(f"tolerance must be at least 0, found {tolerance}")
        self.rows, self.columns, self.over, self.search = map(_names, (rows, columns, over, search))
        if not self.rows:
            raise ConfigError("rows names at least one axis")
        self.against = against
        self.tolerance = tolerance
        self.paper_values = paper
        self.quoted_values = quoted or {}

    def paper(self, axes: Mapping[str, Choices]) -> Paper | None:
        """The paper's numbers.

        Args:
            axes: name -> choices.

        Raises:
            ConfigError: a key or a choice that is not known, or what is no number; all at once.
        """
        if self.paper_values is None:
            return None
        return self._read("paper", self.paper_values, (*self.rows, *self.columns), axes)

    def quoted(self, axes: Mapping[str, Choices]) -> dict[str, Paper]:
        """The numbers of rows that are quoted, by the rows' names; choices are of the column axes alone.

        Args:
            axes: name -> choices.

        Raises:
            ConfigError: as `paper`.
        """
        return {
            name: self._read(f"quoted.{name}", given, self.columns, axes) for name, given in self.quoted_values.items()
        }

    def _read(self, what: str, given: dict[str, Any], names: Choices, axes: Mapping[str, Choices]) -> Paper:
        problems = [
            f"{what}: {unknown('key', str(key), ('source', 'scale', 'values'))}"
            for key in given
            if key not in ("source", "scale", "values")
        ]
        scale = given.get("scale", 1)
        if not _is_number(scale):
            problems.append(f"{what}.scale: expected a number, found {scale!r}")
            scale = 1
        found: dict[Choices, float] = {}
        levels = [(axis, axes[axis]) for axis in names]
        if self.several:
            levels.append(("metric", tuple(metric.label for metric in self.metrics)))
        _collect(given.get("values") or {}, levels, (), scale, found, problems, f"{what}.values")
        if problems:
            raise ConfigError(problems)
        return Paper(str(given.get("source") or "the paper"), found)


@dataclass(frozen=True)
class Paper:
    """Where a paper's numbers stand, and those that are known, in the metric's own scale."""

    source: str
    values: dict[Choices, float] = field(default_factory=dict)


def _names(axes: str | Choices) -> Choices:
    return (axes,) if isinstance(axes, str) else axes


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _collect(
    values: Any,
    levels: list[tuple[str, Choices]],
    chosen: Choices,
    scale: float,
    found: dict[Choices, float],
    problems: list[str],
    begin: str,
) -> None:
    place = ".".join((begin, *chosen))
    if values is None:
        return
    if len(chosen) == len(levels):
        if _is_number(values):
            found[chosen] = values * scale
        else:
            problems.append(f"{place}: expected a number, found {values!r}")
        return
    axis, choices = levels[len(chosen)]
    if not isinstance(values, dict):
        problems.append(f"{place}: expected a mapping with choices of '{axis}', found {values!r}")
        return
    for key, below in values.items():
        if str(key) in choices:
            _collect(below, levels, (*chosen, str(key)), scale, found, problems, begin)
        else:
            problems.append(f"{place}: {unknown('choice', str(key), choices, of=f'axis {axis!r}')}")

"""Paired differences of a table's cells to those of one row, in the draws that their stages kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from medvl.config.layout import Layout, Metric
from medvl.evaluate.bootstrap import Difference, difference_of
from medvl.runs.draws import KeptDraws, read_draws
from medvl.runs.subject import decimals
from medvl.tables.values import CellResult

Pair = tuple[CellResult, CellResult]  # a run, and that of the other row whose other choices are the same


@dataclass(frozen=True)
class Paired:
    """What is told beside a cell's value.

    Attributes:
        difference: to the other row; None where it cannot be told.
        pairs: over how many seeds it is a mean.
        places: decimals to tell it with.
        sample: what was drawn, e.g. `1000 draws of 415 patients`.
        falls: whether less is better.
        why: it cannot be told; empty where the cells themselves say so, as of a run that failed.
    """

    difference: Difference | None
    pairs: int = 0
    places: int = 3
    sample: str = ""
    falls: bool = False
    why: str = ""

    def __str__(self) -> str:
        """`(+0.034, +0.012 to +0.057)`, with a star where the interval leaves out 0."""
        if self.difference is None:
            return ""
        found, places = self.difference, self.places
        star = "*" if found.low > 0 or found.high < 0 else ""
        return f"({found.difference:+.{places}f}, {found.low:+.{places}f} to {found.high:+.{places}f}){star}"


class Differences:
    """Runs of all rows paired with those of the row that `table.against` names.

    Args:
        layout: of the table.
        cells: those that the table shows, one for each choice of rows, columns and what is averaged.
    """

    def __init__(self, layout: Layout, cells: Sequence[CellResult]) -> None:
        assert layout.against is not None  # else there is nothing to tell
        self._axis, self.against = layout.rows[0], layout.against
        self._axes = (*layout.rows, *layout.columns, *layout.over)
        self._cells = {self._key(each.cell.choices, each.metric): each for each in cells}
        self._kept = cache(read_draws)

    def of(self, group: Sequence[CellResult]) -> Paired | None:
        """Of runs that differ in their seed alone: the test cases are drawn, the seeds as they are.

        In each draw the difference is a mean over the seeds that both rows have.

        Returns:
            None in the row itself that others are compared with.
        """
        if group[0].cell.choices[self._axis] == self.against:
            return None
        partners = [
            self._cells.get(self._key({**each.cell.choices, self._axis: self.against}, each.metric)) for each in group
        ]
        there = [(each, partner) for each, partner in zip(group, partners, strict=True) if partner is not None]
        if not there:
            return Paired(None, why=f"'{self.against}' has no such cell")
        pairs = [pair for pair in there if not any(math.isnan(_point(each)) for each in pair)]
        return self._paired(pairs) if pairs else Paired(None)

    def _paired(self, pairs: Sequence[Pair]) -> Paired:
        kept = [tuple(map(self._draws, pair)) for pair in pairs]
        found = [(one, other) for one, other in kept if one is not None and other is not None]
        if len(found) < len(kept):
            return Paired(None, why="a run kept no draws")
        apart = [one.apart(other) for one, other in found] + [one.drawn_apart(found[0][0]) for one, _ in found]
        if any(apart):
            return Paired(None, why=f"draws differ in {next(filter(None, apart))}")
        name = pairs[0][0].metric.name
        points = [_point(one) - _point(other) for one, other in pairs]
        draws = [one.values[name].astype(np.float64) - other.values[name] for one, other in found]  # of (R,)
        first = found[0][0]
        difference = difference_of(float(np.mean(points)), np.mean(draws, axis=0))
        if math.isnan(difference.low):
            return Paired(None, why="it is undefined in every draw")
        places = decimals(_point(pairs[0][1]))
        return Paired(difference, len(pairs), places, first.sample, name in first.falling)

    def _key(self, choices: Mapping[str, str], metric: Metric) -> tuple[object, ...]:
        return (*(choices[axis] for axis in self._axes), metric)

    def _draws(self, run: CellResult) -> KeptDraws | None:
        """Those of the evaluator that gave the run's value."""
        name = run.metric.name
        return next((kept for kept in self._kept(run.folder) if kept.points.get(name) == _point(run)), None)


def _point(run: CellResult) -> float:
    return run.value(run.metric.name).value

"""What stands below a table: what a reader must know of single cells, and of their differences to a row."""

from __future__ import annotations

from collections.abc import Sequence

from medvl.config.layout import Metric
from medvl.runs.verdict import Summary
from medvl.tables.differences import Paired
from medvl.tables.values import CellResult


class Notes:
    """Gathers notes, cells of one kind together.

    Args:
        against: the row that others are compared with; empty where none is.
    """

    def __init__(self, against: str = "") -> None:
        self._against = against
        self._samples: dict[str, None] = {}  # in the order of the table
        self._falling: dict[str, None] = {}
        self._averaged = False
        self._apart: dict[str, dict[str, None]] = {}
        self._undefined: dict[str, list[str]] = {}
        self._failures: dict[str, list[str]] = {}

    def undefined(self, place: str, summary: Summary) -> None:
        """Note finished runs whose value is undefined."""
        missing = summary.done - summary.defined
        if missing:
            self._undefined.setdefault(f"undefined in {missing} of {summary.done} runs", []).append(place)

    def failed(self, place: str, summary: Summary, group: Sequence[CellResult]) -> None:
        """Note why runs failed."""
        if summary.failed:
            folder = next(each.folder.name for each in group if each.failure)
            why = summary.why.splitlines()[0]
            self._failures.setdefault(why, []).append(f"{place} ({summary.failed} of {summary.runs} runs, {folder})")

    def paired(self, place: str, summary: Summary, metric: Metric, paired: Paired) -> None:
        """Note how a difference was drawn and what it leaves out, or why there is none, once for all metrics."""
        if paired.why:
            self._apart.setdefault(f"no difference to {self._against}, {paired.why}", {})[place] = None
        if paired.difference is None:
            return
        self._samples[paired.sample] = None
        self._averaged |= paired.pairs > 1
        if paired.falls:
            self._falling[metric.name] = None
        if paired.pairs < summary.defined:
            over = (
                f"difference to {self._against} over the {paired.pairs} of {summary.defined} runs that both rows have"
            )
            self._apart.setdefault(over, {})[place] = None

    def sentences(self) -> list[str]:
        """All of it."""
        apart = [f"{what}: {'; '.join(at)}" for what, at in self._apart.items()]
        undefined = [f"{what}, left out of any mean: {'; '.join(at)}" for what, at in self._undefined.items()]
        failed = [f"failed: {'; '.join(places)}: {why}" for why, places in self._failures.items()]
        return [*self._differences(), *apart, *undefined, *failed]

    def _differences(self) -> list[str]:
        """What the numbers with a sign are."""
        if not self._samples:
            return []
        seeds = "seeds are held fixed, their mean taken in each draw" if self._averaged else "each run is held fixed"
        how = [
            f"with a sign: minus {self._against}, and the 95 % interval of that difference, * where it leaves out 0",
            f"differences: paired bootstrap over test cases ({'; '.join(self._samples)}, the same for both); {seeds}: "
            "the interval says nothing of another training",
        ]
        return how + ([f"less is better: {', '.join(self._falling)}"] if self._falling else [])

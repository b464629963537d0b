"""Axes that are searched: of the choices that a table tries, the one that does best on validation counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medvl.config.layout import Choices
from medvl.tables.values import CellResult


@dataclass(frozen=True)
class Search:
    """What became of a search.

    Attributes:
        cells: those that count.
        chosen: each of them, with the choices of the searched axes; only where all of its rivals are done, and not
            where the axes leave the metric's stage as it is, so that there was nothing to choose.
    """

    cells: list[CellResult]
    chosen: list[tuple[CellResult, Choices]]


def search(cells: Sequence[CellResult], axes: Choices) -> Search:
    """Of cells that differ in the searched axes alone, the one whose validation was best.

    The test split has no say. A run that failed, at a rate too large for instance, cannot be the best; while a rival is
    still to be run there is no best, and that rival stands for all.

    Args:
        cells: every cell's results.
        axes: the searched ones; empty where nothing is.
    """
    if not axes:
        return Search(list(cells), [])
    groups: dict[tuple[object, ...], list[CellResult]] = {}
    for each in cells:
        others = tuple(item for item in each.cell.choices.items() if item[0] not in axes)
        groups.setdefault((others, each.metric), []).append(each)
    kept, chosen = [], []
    for rivals in groups.values():
        best = _best(rivals)
        kept.append(best)
        if best.result is not None and len({each.folder for each in rivals}) > 1:
            chosen.append((best, best.cell.of(axes)))
    return Search(kept, chosen)


def _best(rivals: list[CellResult]) -> CellResult:
    waiting = [each for each in rivals if each.result is None and not each.failure]
    done = [each for each in rivals if each.validation is not None]
    if waiting or not done:
        return (waiting or rivals)[0]
    # validations are larger where better; of equal ones the first counts
    return max(done, key=lambda each: each.validation if each.validation is not None else 0.0)

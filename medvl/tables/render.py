"""Ours beside the paper's: the table of a finished or half-finished matrix, and the tables of each finding."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from medvl.config.layout import Choices, Metric
from medvl.config.matrix import Matrix
from medvl.config.smoke import NOTE
from medvl.files import write_text_atomic
from medvl.runs.tables import FORMATS, Table
from medvl.runs.verdict import Summary
from medvl.tables.differences import Differences
from medvl.tables.notes import Notes
from medvl.tables.search import search
from medvl.tables.values import CellResult

MEANINGS = {
    "reproduced": "our mean is within {tolerance:g} of it",
    "inside": "it lies in our interval",
    "off": "neither",
    "smoke only": "the run was too small to say",
}


class Column(NamedTuple):
    """A choice of each column axis, and a metric below them."""

    choices: Choices
    metric: Metric


class Rendering:
    """A matrix with the results of its cells.

    Args:
        name: of the table.
        matrix: as read.
        cells: every cell's results, one for each metric.
        smoke: whether the runs were tiny ones that only show that all works.
    """

    def __init__(self, name: str, matrix: Matrix, cells: Sequence[CellResult], smoke: bool = False) -> None:
        self.name, self.matrix, self.cells, self.smoke = name, matrix, cells, smoke
        layout = matrix.layout
        self._groups: dict[tuple[Choices, Column], list[CellResult]] = {}
        self._search = search(cells, layout.search)
        for each in self._search.cells:
            column = Column(each.cell.of(layout.columns), each.metric)
            self._groups.setdefault((each.cell.of(layout.rows), column), []).append(each)
        self.rows = self._present(layout.rows)
        there = {column for _, column in self._groups}
        columns = (Column(*each) for each in product(self._present(layout.columns), layout.metrics))
        self.columns = [column for column in columns if column in there]
        self._differences = None if layout.against is None else Differences(layout, self._search.cells)

    def _present(self, axes: Choices) -> list[Choices]:
        """The combinations of some axes that a cell has, in the order of the file."""
        there = {each.cell.of(axes) for each in self.cells}
        return [chosen for chosen in product(*(self.matrix.axes[axis] for axis in axes)) if chosen in there]

    def _place(self, column: Column) -> Choices:
        """A column's choices, and which of several metrics it shows."""
        return (*column.choices, column.metric.label) if self.matrix.layout.several else column.choices

    def table(self) -> Table:
        """The table's metrics, with the paper's numbers and verdicts in brackets."""
        layout = self.matrix.layout
        notes, verdicts = Notes(layout.against or ""), Counter[str]()
        rows = []
        for row in self.rows:
            cells = [self._cell(row, column, notes, verdicts) for column in self.columns]
            rows.append([spelled(row), *cells])
        rows += [[f"{name} (quoted)", *self._quoted(name)] for name in self.matrix.quoted]
        titles = [spelled(layout.rows), *(spelled(self._place(each)) or each.metric.name for each in self.columns)]
        shown = "; ".join(
            f"{f'{metric.label}: ' if layout.several else ''}{metric.stage}/{metric.name}" for metric in layout.metrics
        )
        title = self.name if layout.several else f"{self.name}: {shown}"
        headings = [f"headings: {shown}"] if layout.several else []
        return Table(title, titles, rows, [*headings, *self._how(verdicts), *self._searched(), *notes.sentences()])

    def finding_tables(self) -> dict[str, Table]:
        """For each choice of the columns the same measure finding by finding; its file's name -> table."""
        tables: dict[str, Table] = {}
        told: set[tuple[Choices, str, str]] = set()  # two metrics may be means of the same measure
        for column in self.columns:
            measure = column.metric.name.partition("_")[0]
            here = [each for (_, place), group in self._groups.items() if place == column for each in group]
            results = [each.result for each in here if each.result is not None]
            names = [name for result in results for name in result.metrics if name.startswith(f"{measure}/")]
            same = column.choices, column.metric.stage, measure
            if not names or same in told:
                continue
            told.add(same)
            findings = list(dict.fromkeys(names))
            notes = Notes()
            rows = []
            for row in (row for row in self.rows if (row, column) in self._groups):
                summaries = {name: self._summary(row, column, name) for name in findings}
                for name, summary in summaries.items():
                    notes.undefined(f"{spelled(row)}, {name.partition('/')[2]}", summary)
                rows.append([spelled(row), *(_number(summary) for summary in summaries.values())])
            titles = [spelled(self.matrix.layout.rows), *(name.partition("/")[2] for name in findings)]
            place = self._place(column)
            title = f"{self.name}: {measure} of each finding" + (f", {spelled(place)}" if place else "")
            tables[_distinct(f"findings-{_slug(place)}".rstrip("-"), tables)] = Table(
                title, titles, rows, [*self._intervals(), *notes.sentences()]
            )
        return tables

    def cells_csv(self) -> str:
        """Every cell and metric: choices, the number, its interval, where it lies, and why it failed."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        told = ["value", "low", "high"]
        if self._differences:
            told += ["difference", "difference_low", "difference_high"]
        writer.writerow([*self.matrix.axes, "metric", "status", *told, "folder", "failure"])
        for each in self.cells:
            value = each.value(each.metric.name)
            numbers = [value.value, *value.interval, *(self._difference(each) if self._differences else ())]
            shown = ["" if number != number else repr(number) for number in numbers]
            name = f"{each.metric.stage}/{each.metric.name}"
            writer.writerow([*each.cell.choices.values(), name, value.status, *shown, each.folder.name, value.why])
        return buffer.getvalue()

    def _difference(self, run: CellResult) -> tuple[float, float, float]:
        """Of one run to its like of the row that others are compared with; NaN where it cannot be told."""
        paired = self._differences.of([run]) if self._differences else None
        found = None if paired is None else paired.difference
        return (math.nan,) * 3 if found is None else (found.difference, found.low, found.high)

    def write(self, folder: Path) -> list[Path]:
        """Write all of it; the files, the main table's Markdown first."""
        tables = {"table": self.table()} | self.finding_tables()
        for stem, table in tables.items():
            table.write(folder, stem, FORMATS)
        cells = write_text_atomic(folder / "cells.csv", self.cells_csv())
        return [*(folder / f"{stem}.md" for stem in tables), cells]

    def _summary(self, row: Choices, column: Column, metric: str) -> Summary:
        return Summary.of([each.value(metric) for each in self._groups[row, column]])

    def _cell(self, row: Choices, column: Column, notes: Notes, verdicts: Counter[str]) -> str:
        if (row, column) not in self._groups:  # excluded
            return ""
        summary = self._summary(row, column, column.metric.name)
        cell = _named(row, column.choices)
        place = _named(row, self._place(column))
        notes.undefined(place, summary)
        notes.failed(place, summary, self._groups[row, column])
        paired = self._differences.of(self._groups[row, column]) if self._differences else None
        if paired is not None:
            notes.paired(cell, summary, column.metric, paired)
        paper = self.matrix.paper.values.get((*row, *self._place(column))) if self.matrix.paper else None
        verdict = summary.verdict(paper, self.matrix.layout.tolerance, self.smoke)
        if verdict:
            verdicts[verdict] += 1
        known = [f"{paper:.3f}"] if paper is not None else []
        shown = [] if summary.done == 0 else [_number(summary), *filter(None, [str(paired or "")])]
        told = " ".join([*known, *([verdict] if verdict else [])])
        return " ".join([*shown, f"[{told}]" if told else ""]).strip() if shown or known else verdict

    def _searched(self) -> list[str]:
        """Which choice of the searched axes stands behind each number."""
        if not self.matrix.layout.search:
            return []
        shown: dict[str, list[str]] = {}
        for each, choices in self._search.chosen:
            others = [choice for axis, choice in each.cell.choices.items() if axis not in self.matrix.layout.search]
            shown.setdefault(spelled(choices), []).append(spelled(tuple(others)))
        told = "; ".join(f"{name}: {', '.join(dict.fromkeys(places))}" for name, places in shown.items())
        return [f"{' x '.join(self.matrix.layout.search)} chosen on validation" + (f" ({told})" if told else "")]

    def _quoted(self, name: str) -> list[str]:
        """The cells of a row that is not run: the numbers alone, in brackets like every number that is not ours."""
        values = self.matrix.quoted[name].values
        found = [values.get(self._place(column)) for column in self.columns]
        return ["" if value is None else f"[{value:.3f}]" for value in found]

    def _how(self, verdicts: Counter[str]) -> list[str]:
        """What the numbers and the brackets mean."""
        notes = self._intervals()
        if self.matrix.paper is not None:
            meanings = [
                f"{name}: {meaning.format(tolerance=self.matrix.layout.tolerance)}"
                for name, meaning in MEANINGS.items()
                if verdicts[name]
            ]
            notes.append(f"in brackets: the number of {self.matrix.paper.source}, and how ours compares")
            notes += ["; ".join(meanings)] if meanings else []
        notes += [f"{name}: not run, quoted from {quoted.source}" for name, quoted in self.matrix.quoted.items()]
        if self.smoke:
            notes.append(NOTE)
        if verdicts:
            notes.append("verdicts: " + ", ".join(f"{count} {name}" for name, count in verdicts.most_common()))
        return notes

    def _intervals(self) -> list[str]:
        over = " x ".join(self.matrix.layout.over)
        if any(len(group) > 1 for group in self._groups.values()):
            return [f"mean ± 95 % interval over {over}"]
        return ["one run each; in parentheses its 95 % bootstrap interval over test cases"]


def spelled(choices: Choices) -> str:
    """Choices of several axes as one name."""
    return " · ".join(choices)


def _named(row: Choices, column: Choices) -> str:
    """A cell as notes call it."""
    return ", ".join(filter(None, (spelled(row), spelled(column))))


def _number(summary: Summary) -> str:
    partial = f" ({summary.done} of {summary.runs})" if 0 < summary.done < summary.runs else ""
    return f"{summary}{partial}"


def _slug(choices: Choices) -> str:
    """A file's name of choices: letters, digits, dots and dashes."""
    return "-".join(re.sub(r"[^\w.]+", "-", choice).strip("-") for choice in choices)


def _distinct(stem: str, taken: dict[str, Table]) -> str:
    """Choices that differ in signs alone (`FT 1%`, `FT 1`) differ by a number."""
    number = 2
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}" if stem in taken else stem

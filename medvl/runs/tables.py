"""Tables at the end of a run: on the screen, as Markdown, as CSV."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from medvl.files import write_text_atomic


@dataclass(frozen=True)
class Table:
    """Text in rows and columns, with a title above and notes below. The first column names, the others count."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default=())

    def show(self, stream: TextIO | None = None) -> None:
        """Print it; on a stream that is no terminal as wide as it needs to be."""
        from rich import box
        from rich.console import Console
        from rich.measure import Measurement
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(title=Text(self.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for index, column in enumerate(self.columns):
            table.add_column(Text(column), justify="right" if index else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*(Text(cell) for cell in row))  # Text: names in brackets are no markup
        stream = stream or sys.stdout
        console = Console(file=stream, highlight=False)
        if not stream.isatty():
            wide = console.options.update(width=10_000)
            needed = Measurement.get(console, wide, table).maximum
            console = Console(file=stream, highlight=False, width=max(console.width, needed))
        console.print(table)
        for note in self.notes:
            console.print(Text(f"  {note}"), style="dim")

    def markdown(self) -> str:
        """A Markdown table under a heading, notes as a list."""
        lines = [f"### {self.title}", "", _line(self.columns)]
        lines.append("|" + "|".join([" :--- ", *[" ---: "] * (len(self.columns) - 1)]) + "|")
        lines += [_line(row) for row in self.rows]
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def csv(self) -> str:
        """Columns and rows alone."""
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows([self.columns, *self.rows])
        return buffer.getvalue()

    def write(self, folder: str | Path, stem: str) -> None:
        """Write `STEM.md` and `STEM.csv`."""
        write_text_atomic(Path(folder) / f"{stem}.md", self.markdown())
        write_text_atomic(Path(folder) / f"{stem}.csv", self.csv())


def spell_bytes(number: int) -> str:
    """`19.2 GB`, `640 kB`: in powers of 1000, as disks are sold."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number / 1e3:.0f} kB"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

"""Tables at the end of a run: on the screen, as Markdown, CSV, LaTeX and HTML."""

from __future__ import annotations

import csv
import html
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

from medvl.files import write_text_atomic

Format = Literal["md", "csv", "tex", "html"]
FORMATS: tuple[Format, ...] = ("md", "csv", "tex", "html")
LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "±": r"$\pm$",
    "·": r"$\cdot$", "×": r"$\times$", "<": "$<$", ">": "$>$",
}  # fmt: skip
STYLE = (
    "body{font:15px sans-serif;margin:2em} table{border-collapse:collapse} caption{font-weight:bold;text-align:left} "
    "th,td{padding:.25em .8em;text-align:right} th:first-child{text-align:left;font-weight:normal} "
    "thead th{border-bottom:1px solid;font-weight:bold} p{color:#555;font-size:13px;margin:.3em 0}"
)


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

    def latex(self) -> str:
        """A `table` environment with the rules of the package booktabs."""
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(self.title)}}}"]
        lines += [rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}", r"\toprule", _latex_line(self.columns)]
        lines += [r"\midrule", *map(_latex_line, self.rows), r"\bottomrule", r"\end{tabular}"]
        lines += [rf"\par\footnotesize {_latex(note)}" for note in self.notes]
        return "\n".join([*lines, r"\end{table}"]) + "\n"

    def html(self) -> str:
        """A page by itself."""
        cells = [f"<th>{html.escape(column)}</th>" for column in self.columns]
        lines = [
            "<!doctype html>",
            '<html lang="en"><meta charset="utf-8">',
            f"<title>{html.escape(self.title)}</title>",
        ]
        lines += [f"<style>{STYLE}</style>", "<table>", f"<caption>{html.escape(self.title)}</caption>"]
        lines += [f"<thead><tr>{''.join(cells)}</tr></thead>", "<tbody>"]
        for row in self.rows:
            first, *others = (html.escape(cell) for cell in row)
            lines.append(f"<tr><th>{first}</th>{''.join(f'<td>{cell}</td>' for cell in others)}</tr>")
        lines += ["</tbody></table>", *(f"<p>{html.escape(note)}</p>" for note in self.notes), "</html>"]
        return "\n".join(lines) + "\n"

    def write(self, folder: str | Path, stem: str, formats: Sequence[Format] = ("md", "csv")) -> None:
        """Write `STEM.md`, `STEM.csv` and so on."""
        spell: dict[Format, Callable[[], str]] = {
            "md": self.markdown, "csv": self.csv, "tex": self.latex, "html": self.html
        }  # fmt: skip
        for name in formats:
            write_text_atomic(Path(folder) / f"{stem}.{name}", spell[name]())


def spell_bytes(number: int) -> str:
    """`19.2 GB`, `640 kB`: in powers of 1000, as disks are sold."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number / 1e3:.0f} kB"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)

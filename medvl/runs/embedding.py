"""A t-SNE as files: the CSV of its points, and the picture with data sets and a finding side by side."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medvl.errors import DataError, unknown
from medvl.evaluate.embedding import Apartness, Embedded
from medvl.files import write_text_atomic
from medvl.runs.curves import COLOURS, FAINT, INK, OTHER_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = (COLOURS["train"], COLOURS["val"], COLOURS["test"], OTHER_COLOUR)
ABSENT, PRESENT = "#b9c4d0", "#b3362b"


def findings_of(sets: Sequence[Embedded]) -> tuple[str, ...]:
    """Every finding that some set has, in order."""
    return tuple(dict.fromkeys(label for each in sets for label in each.labels))


def finding_to_show(sets: Sequence[Embedded], asked: str | None) -> str | None:
    """The finding that is asked for, or the one whose cases are divided most equally; None where none is known.

    Raises:
        DataError: no set has the one that is asked for.
    """
    known = findings_of(sets)
    if asked is not None:
        if asked not in known:
            raise DataError(unknown("finding", asked, known))
        return asked

    def balance(label: str) -> float:
        values = np.concatenate([each.finding(label) for each in sets])
        told = ~np.isnan(values)
        return min((values[told] == 1).mean(), (values[told] == 0).mean()) * told.mean() if told.any() else 0.0

    return max(known, key=balance, default=None)


def write_points(path: Path, sets: Sequence[Embedded], points: np.ndarray) -> Path:
    """One line a case: `dataset`, `case` (a hash), `x`, `y`, and `label.NAME`, blank where unknown."""
    labels = findings_of(sets)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["dataset", "case", "x", "y", *(f"label.{label}" for label in labels)])
    start = 0
    for each in sets:
        columns = [each.finding(label) for label in labels]
        for place, key in enumerate(each.keys):
            x, y = points[start + place]
            values = ("" if np.isnan(column[place]) else f"{column[place]:g}" for column in columns)
            writer.writerow([each.name, key, f"{x:.4f}", f"{y:.4f}", *values])
        start += len(each)
    return write_text_atomic(path, text.getvalue())


def plot_embedding(
    sets: Sequence[Embedded], points: np.ndarray, finding: str | None, apart: Apartness | None, *, title: str = ""
) -> Figure:
    """The same points twice: by data set, and by a finding.

    Args:
        sets: what was embedded.
        points: (N, 2), all sets end to end.
        finding: what the second panel shows; no second panel where None.
        apart: written above the first panel.
        title: above the picture.
    """
    from matplotlib.figure import Figure

    panels = 1 if finding is None else 2
    figure = Figure(figsize=(4.6 * panels + 0.2, 5.0), dpi=150, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    grid = figure.subplots(1, panels, squeeze=False)[0]
    of_set = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
    colours = [SERIES[place % len(SERIES)] for place in range(len(sets))]
    names = [f"{each.name} ({len(each):,})" for each in sets]
    told = "" if apart is None else f"told apart: AUROC {apart.auroc:.2f}, silhouette {apart.silhouette:.2f}"
    _scatter(grid[0], points, of_set, names, colours, "data set" + (f"; {told}" if told else ""))
    if finding is not None:
        values = np.concatenate([each.finding(finding) for each in sets])
        state = np.select([values == 1, values == 0], [2, 1], 0)
        _scatter(grid[1], points, state, ["unknown", "absent", "present"], [FAINT, ABSENT, PRESENT], finding)
    return figure


def _scatter(
    axes: Axes, points: np.ndarray, groups: np.ndarray, names: list[str], colours: list[str], title: str
) -> None:
    """Small dots; two groups of equal standing are mixed, so that neither hides the other."""
    shuffled = np.random.default_rng(0).permutation(len(points))
    size = float(np.clip(6000 / len(points), 4, 22))
    axes.scatter(
        points[shuffled, 0],
        points[shuffled, 1],
        s=size,
        c=np.array(colours)[groups[shuffled]],
        alpha=0.75,
        linewidths=0,
        rasterized=True,
    )
    for place, name in enumerate(names):
        if (groups == place).any():
            axes.scatter([], [], s=22, color=colours[place], label=name)
    axes.set_title(title, loc="left", fontsize=8.5, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["top", "right", "left", "bottom"]].set_color(FAINT)
    axes.legend(
        fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.01), ncols=3, labelcolor=INK,
        handletextpad=0.1, columnspacing=1.0, borderaxespad=0.2,
    )  # fmt: skip

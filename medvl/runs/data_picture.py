"""The picture of a dataset: what is said of each label beside splits, views, ages, text lengths and repetition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from medvl.data.statistics import Statistics
from medvl.runs.curves import COLOURS, FAINT, INK, OTHER_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

BLUE, ORANGE = COLOURS["train"], COLOURS["val"]
SAID = {"positive": BLUE, "uncertain": ORANGE, "negative": "#a9b9cf", "not mentioned": "#ededed"}
VIEWS_SHOWN = 6
IMAGES_SHOWN = 10  # of a patient; more are one bar
LABEL_HEIGHT, PANEL_HEIGHT = 0.27, 1.95  # inches

Draw = Callable[["Axes"], None]


def plot_dataset(statistics: Statistics, *, title: str = "") -> Figure:
    """One page: labels at the left, most frequent first, small panels at the right.

    Args:
        statistics: of `medvl.data.statistics.statistics_of`.
        title: above the picture.
    """
    from matplotlib.figure import Figure

    panels = _panels(statistics)
    rows = -(-len(panels) // 2)
    height = max(PANEL_HEIGHT * rows, LABEL_HEIGHT * len(statistics.labels) + 0.9) + 0.55
    figure = Figure(figsize=(12.6 if statistics.labels else 7.6, height), dpi=150, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.06)  # type: ignore[union-attr, call-arg]  # constrained takes them
    figure.suptitle(_heading(statistics, title), x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    right: FigureBase = figure
    if statistics.labels:
        left, right = np.array(figure.subfigures(1, 2, width_ratios=(5, 7.6)))
        _draw_labels(left.subplots(), statistics)
    grid = np.array(right.subplots(rows, 2, squeeze=False)).ravel()
    for axes, draw in zip(grid, panels, strict=False):
        draw(axes)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    return figure


def _heading(statistics: Statistics, title: str) -> str:
    counts = f"{statistics.images:,} images, {statistics.studies:,} studies, {statistics.patients:,} patients"
    return f"{title}: {counts}" if title else counts


def _panels(statistics: Statistics) -> list[Draw]:
    panels: list[Draw] = [partial(_draw_splits, statistics=statistics), partial(_draw_views, statistics=statistics)]
    if statistics.sections:
        panels += [partial(_draw_lengths, statistics=statistics), partial(_draw_missing, statistics=statistics)]
    if statistics.ages is not None and len(statistics.ages):
        panels.append(partial(_draw_ages, statistics=statistics, ages=statistics.ages))
    for title, counts in (("images of a patient", statistics.per_patient), ("images of a study", statistics.per_study)):
        if counts.max() > 1:
            panels.append(partial(_draw_repetition, title=title, counts=counts))
    return panels


def _draw_labels(axes: Axes, statistics: Statistics) -> None:
    """Each label as a bar of all images: positive, uncertain, negative, not mentioned."""
    labels = sorted(statistics.labels, key=lambda label: -label.positive)
    start = np.zeros(len(labels))
    kinds = [(label.positive, label.uncertain, label.negative, label.blank) for label in labels]
    for (kind, colour), values in zip(SAID.items(), np.array(kinds, float).T / statistics.images, strict=True):
        axes.barh(range(len(labels)), values, left=start, color=colour, height=0.72, label=kind)
        start += values
    for row, label in enumerate(labels):
        share = f"{label.positive / statistics.images:.1%}"
        axes.text(1.015, row, share, transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=BLUE)
    axes.set_yticks(range(len(labels)), [label.name for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    _house_style(axes, "what is said of each label (share of images)", grid=False)
    axes.legend(
        fontsize=8, frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.42, -0.06), handlelength=1.0,
        handleheight=0.9, columnspacing=1.2, labelcolor=INK,
    )  # fmt: skip


def _draw_splits(axes: Axes, statistics: Statistics) -> None:
    counts = {name: images for name, (images, _, _) in statistics.splits.items()}
    notes = [f"{images:,} ({patients:,} patients)" for images, _, patients in statistics.splits.values()]
    _bars(axes, counts, notes, [COLOURS[name] for name in counts], room=1.75)
    _house_style(axes, "splits (images)", grid=False)


def _draw_views(axes: Axes, statistics: Statistics) -> None:
    views = dict(list(statistics.views.items())[:VIEWS_SHOWN])
    rest = statistics.images - sum(views.values())
    if rest:
        views["other"] = rest
    notes = [f"{number / statistics.images:.1%}" for number in views.values()]
    _bars(axes, views, notes, [BLUE] * len(views), room=1.25)
    _house_style(axes, "views (images)", grid=False)


def _draw_lengths(axes: Axes, statistics: Statistics) -> None:
    """Each section's words: the middle 90 % as a line, the middle half thick, the median as a dot."""
    for row, section in enumerate(statistics.sections):
        if len(section.words) == 0:
            continue
        low, first, median, third, high = np.percentile(section.words, [5, 25, 50, 75, 95])
        axes.plot([low, high], [row, row], color=BLUE, lw=1.4, alpha=0.6, solid_capstyle="butt")
        axes.plot([first, third], [row, row], color=BLUE, lw=6, alpha=0.45, solid_capstyle="butt")
        axes.plot(median, row, "o", ms=5, color=BLUE)
        note = f"{median:.0f}"
        axes.text(1.02, row, note, transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(statistics.sections)), [section.name for section in statistics.sections])
    axes.set_ylim(len(statistics.sections) - 0.4, -0.6)
    axes.set_xlim(left=0)
    _house_style(axes, "words of a text (5, 25, 50, 75, 95 %)")


def _draw_missing(axes: Axes, statistics: Statistics) -> None:
    shares = {section.name: section.missing / statistics.studies for section in statistics.sections}
    _bars(axes, shares, [f"{share:.1%}" for share in shares.values()], [OTHER_COLOUR] * len(shares), room=1.25)
    axes.set_xlim(0, max(0.05, 1.25 * max(shares.values())))
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    _house_style(axes, "studies without the section", grid=False)


def _draw_ages(axes: Axes, statistics: Statistics, ages: np.ndarray) -> None:
    numbers, edges = np.histogram(ages, bins=np.arange(0, max(100.0, float(ages.max())) + 5, 5))
    axes.bar(edges[:-1], numbers, width=4.5, align="edge", color=BLUE)
    axes.yaxis.set_major_formatter(lambda number, _: f"{number:,.0f}")
    absent = statistics.images - len(ages)
    _house_style(axes, "ages (years)" + (f", {absent:,} not given" if absent else ""), along="y")


def _draw_repetition(axes: Axes, title: str, counts: np.ndarray) -> None:
    """How many patients (or studies) have 1, 2, 3, ... images."""
    capped = np.bincount(np.minimum(counts, IMAGES_SHOWN))[1:]
    shares = capped / capped.sum()
    names = [str(number) for number in range(1, len(shares) + 1)]
    if counts.max() > IMAGES_SHOWN:
        names[-1] += "+"
    axes.bar(range(len(shares)), shares, color=BLUE, width=0.75)
    axes.set_xticks(range(len(shares)), names)
    axes.set_xlim(-0.6, max(len(shares), 5) - 0.4)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    _house_style(axes, f"{title} (mean {counts.mean():.1f})", along="y")


def _bars(
    axes: Axes, values: dict[str, int] | dict[str, float], notes: Sequence[str], colours: Sequence[str], *, room: float
) -> None:
    """Horizontal bars, a note behind each; `room` is the axis' length in longest bars."""
    axes.barh(range(len(values)), list(values.values()), color=colours, height=0.68)
    for row, (value, note) in enumerate(zip(values.values(), notes, strict=True)):
        axes.annotate(note, (value, row), (4, 0), textcoords="offset points", va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(max(len(values), 3) - 0.4, -0.6)
    axes.set_xlim(0, room * max([*values.values(), 1e-9]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _house_style(axes: Axes, title: str, along: str = "x", grid: bool = True) -> None:
    """`grid` is left out where every bar carries its number."""
    axes.set_title(title, loc="left", fontsize=9, fontweight="bold", color=INK)
    if grid:
        axes.grid(axis=along, color=FAINT, lw=0.6)  # type: ignore[arg-type]  # x or y
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.locator_params(axis=along, nbins=5)  # type: ignore[arg-type]  # x or y

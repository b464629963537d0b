"""The forest plot: differences between runs with their intervals, finding by finding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from medvl.evaluate.compare import SIGNIFICANT, Comparison
from medvl.runs.curves import COLOURS, FAINT, INK, OTHER_COLOUR
from medvl.runs.subject import Subject, decimals, spelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = (COLOURS["train"], COLOURS["val"], COLOURS["test"], OTHER_COLOUR)


def plot_forest(comparisons: Mapping[str, Comparison], baseline: str, subject: Subject, *, title: str = "") -> Figure:
    """Averages, then findings in their order, as dots with intervals about a line at no difference.

    A full dot is significant at 0.05 (findings: after Holm's correction), a hollow one is not. Undefined findings keep
    their line, without a dot.

    Args:
        comparisons: run -> its comparison with the baseline; all of the same metrics.
        baseline: what the others are compared with.
        subject: what was compared.
        title: above the picture.
    """
    from matplotlib.figure import Figure

    metrics = list(next(iter(comparisons.values())).metrics)
    averages = sum("/" not in name for name in metrics)
    height = (0.16 + 0.14 * len(comparisons)) * len(metrics) + 1.5 + 0.18 * len(comparisons)
    figure = Figure(figsize=(7.4, height), dpi=150, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    axes = figure.subplots()
    for place, (run, comparison) in enumerate(comparisons.items()):
        shift = 0.0 if len(comparisons) == 1 else 0.56 * (place / (len(comparisons) - 1) - 0.5)
        _draw_run(axes, comparison, shift, SERIES[place % len(SERIES)], run)
    axes.axvline(0, color=INK, lw=0.8, zorder=0)
    if averages < len(metrics):
        axes.axhline(averages - 0.5, color=FAINT, lw=0.8, zorder=0)
    axes.set_yticks(range(len(metrics)), [subject.row(name) for name in metrics], fontsize=8, color=INK)
    axes.set_ylim(len(metrics) - 0.4, -0.6)
    axes.set_xlabel(_axis_label(subject, baseline), fontsize=8, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.grid(axis="x", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    figure.legend(
        loc="outside lower left", fontsize=8, frameon=False, labelcolor=INK, handletextpad=0.3,
        title="full dot: p < 0.05 (findings: after Holm's correction)", title_fontsize=8, alignment="left",
    )  # fmt: skip
    return figure


def _draw_run(axes: Axes, comparison: Comparison, shift: float, colour: str, run: str) -> None:
    axes.plot([], [], "o", ms=5.5, color=colour, label=run)
    for row, (name, each) in enumerate(comparison.metrics.items()):
        found = each.difference
        p = each.adjusted if "/" in name else found.p
        axes.plot([found.low, found.high], [row + shift] * 2, color=colour, lw=2.2, alpha=0.45, solid_capstyle="butt")
        face = colour if p < SIGNIFICANT else "white"
        axes.plot(found.difference, row + shift, "o", ms=5, color=colour, markerfacecolor=face)
        text = "undefined" if math.isnan(found.low) else spelled(found, decimals(each.b))
        axes.text(1.02, row + shift, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7, color=colour)


def _axis_label(subject: Subject, baseline: str) -> str:
    left, right = ("better", "worse") if subject.falls else ("worse", "better")
    return f"{left} \u2190   {subject.title} minus that of {baseline}   \u2192 {right}"

"""The picture of a multilabel result: each finding's AUROC with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medvl.evaluate.base import Result
from medvl.runs.curves import COLOURS, FAINT, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_findings(result: Result, labels: Sequence[str], *, title: str = "", kind: str = "auroc") -> Figure:
    """Findings from best to worst as dots with intervals, the macro mean dashed, chance as a thin line.

    Args:
        result: of `Multilabel.evaluate`.
        labels: names of the findings; undefined ones stand last, without a dot.
        title: above the picture.
        kind: `auroc` or `f1`.
    """
    from matplotlib.figure import Figure

    values = {label: result.metrics[f"{kind}/{label}"] for label in labels}
    order = sorted(labels, key=lambda label: (math.isnan(values[label]), -values[label]))
    figure = Figure(figsize=(6.4, 0.3 * len(order) + 1.3), dpi=150, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    axes = figure.subplots()
    for row, label in enumerate(order):
        low, high = result.intervals.get(f"{kind}/{label}", (math.nan, math.nan))
        axes.plot([low, high], [row, row], color=COLOURS["train"], lw=2.2, alpha=0.45, solid_capstyle="butt")
        axes.plot(values[label], row, "o", ms=5.5, color=COLOURS["train"])
        value = "undefined" if math.isnan(values[label]) else f"{values[label]:.3f}"
        axes.text(1.02, row, value, transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=INK)
    macro = result.metrics[f"{kind}_macro"]
    if not math.isnan(macro):
        axes.axvline(macro, color=COLOURS["val"], lw=1, ls=(0, (4, 3)), zorder=0)
        axes.text(macro, -0.75, f"macro {macro:.3f}", color=COLOURS["val"], fontsize=8, ha="center", va="bottom")
    if kind == "auroc":
        axes.axvline(0.5, color=INK, lw=0.8, zorder=0)
    names = [_with_count(result, label) for label in order]
    axes.set_yticks(range(len(order)), names, fontsize=8, color=INK)
    axes.set_ylim(len(order) - 0.4, -0.7)
    axes.set_xlabel(kind.upper(), fontsize=8, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.grid(axis="x", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    return figure


def _with_count(result: Result, label: str) -> str:
    number = result.counts.get(f"positives/{label}")
    return label if number is None else f"{label}  (n={number:,})"

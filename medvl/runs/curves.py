"""The picture of a stage's learning: losses and validation metrics against optimiser steps."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medvl.files import write_atomic
from medvl.runs.metrics_log import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"train": "#4c6a92", "val": "#d1702f", "test": "#4b8b5a"}
OTHER_COLOUR = "#6b6b6b"
INK, FAINT = "#333333", "#d9d9d9"
COLUMNS = 3
ABBREVIATIONS = {"auroc": "AUROC", "f1": "F1"}

Series = tuple[np.ndarray, np.ndarray]  # steps, values


def plot_curves(records: Sequence[Record], *, title: str = "", best_step: int | None = None) -> Figure:
    """One small panel a quantity, its splits in colours that stay the same, the best step marked in all.

    Shown are the losses, and every metric of a split other than `train` that is not of one finding: of
    `train/loss`, `train/lr`, `val/auroc_macro` and `val/auroc/Edema`, the first and the third.

    Args:
        records: of `read_metrics`, named `SPLIT/QUANTITY`.
        title: above the picture.
        best_step: the step whose weights were kept.
    """
    from matplotlib.figure import Figure  # not pyplot: no global state, no display

    panels = _panels(records)
    columns = max(1, min(COLUMNS, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    figure = Figure(figsize=(3.9 * columns, 2.7 * rows + 0.6), dpi=150, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)  # type: ignore[union-attr, call-arg]  # constrained takes them
    grid = np.array(figure.subplots(rows, columns, squeeze=False)).ravel()
    last = max([1, *(record.step for record in records)])
    for axes, (quantity, series) in zip(grid, panels.items(), strict=False):
        _draw(axes, quantity, series, best_step)
        axes.set_xlim(-0.02 * last, 1.04 * last)
    for position, axes in enumerate(grid):
        if position >= len(panels):
            axes.set_visible(False)
        elif position + columns >= len(panels):  # the lowest of its column
            axes.set_xlabel("optimiser step", fontsize=8, color=INK)
    return figure


def write_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure, atomically; the name's ending (`.png`, `.svg`, `.pdf`) is the format."""
    path = Path(path)
    return write_atomic(path, lambda file: figure.savefig(file, format=path.suffix[1:], facecolor="white"))


def _panels(records: Sequence[Record]) -> dict[str, dict[str, Series]]:
    """quantity -> split -> series; losses first, then in the order of the log."""
    points: dict[str, dict[str, list[tuple[int, float]]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        split, _, quantity = record.metric.partition("/")
        is_loss = quantity.startswith("loss")
        of_one_finding = "/" in quantity and not is_loss
        if quantity and not of_one_finding and (is_loss or split != "train"):
            points[quantity][split].append((record.step, record.value))
    ordered = sorted(points, key=lambda quantity: not quantity.startswith("loss"))
    return {quantity: {s: _series(pairs) for s, pairs in points[quantity].items()} for quantity in ordered}


def _series(pairs: list[tuple[int, float]]) -> Series:
    steps, values = np.array(pairs).T
    return steps, values


def _draw(axes: Axes, quantity: str, splits: dict[str, Series], best_step: int | None) -> None:
    for split, (steps, values) in splits.items():
        colour = COLOURS.get(split, OTHER_COLOUR)
        few = len(steps) <= 40
        if few:
            axes.plot(steps, values, color=colour, lw=1.5, marker="o", ms=3, label=split)
        else:  # a noisy line is shown faint behind its running mean
            axes.plot(steps, values, color=colour, lw=0.7, alpha=0.3)
            axes.plot(steps, _running_mean(values), color=colour, lw=1.6, label=split)
        if best_step is not None and split == "val":
            _mark_best(axes, steps, values, best_step, colour)
    if best_step is not None:
        axes.axvline(best_step, color=INK, lw=0.8, ls=(0, (3, 3)), zorder=0)
    axes.set_title(_readable(quantity), loc="left", fontsize=9, fontweight="bold", color=INK)
    axes.margins(y=0.12)
    axes.grid(axis="y", color=FAINT, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.locator_params(axis="both", nbins=5)
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    axes.legend(fontsize=8, frameon=False, labelcolor="linecolor", handlelength=1.2, loc="best")


def _mark_best(axes: Axes, steps: np.ndarray, values: np.ndarray, best_step: int, colour: str) -> None:
    """A ring on the value of the kept weights, and that value beside the panel's title."""
    found = np.flatnonzero(steps == best_step)
    if not len(found) or math.isnan(values[found[-1]]):
        return
    value = values[found[-1]]
    axes.plot(best_step, value, "o", ms=7, mfc="white", mec=colour, mew=1.6, zorder=5)
    axes.set_title(f"{value:.3f} at step {best_step:,}", loc="right", fontsize=8, color=colour)


def _readable(quantity: str) -> str:
    """`auroc_macro` -> `AUROC macro`, `loss/moco` -> `loss: moco`."""
    words = quantity.replace("/", ": ").split("_")
    return " ".join(ABBREVIATIONS.get(word, word) for word in words)


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Mean over a centred window of a twentieth of the series, narrower at the ends; NaN is left out."""
    half = max(1, len(values) // 40)
    known = ~np.isnan(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    number = np.concatenate([[0], np.cumsum(known)])
    index = np.arange(len(values))
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    seen = number[high] - number[low]
    return np.divide(total[high] - total[low], seen, out=np.full(len(values), np.nan), where=seen > 0)

"""The picture of a segmentation: radiographs with the outlines of reference and prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvl.runs.curves import COLOURS, INK
from medvl.runs.finding_rows import plot_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REFERENCE, PREDICTION = "#58d3ff", COLOURS["val"]


@dataclass(frozen=True)
class Panel:
    """A radiograph with two masks.

    Attributes:
        image: (H, W) float.
        reference, predicted: (H, W) bool.
        title: below which it stands.
    """

    image: np.ndarray
    reference: np.ndarray
    predicted: np.ndarray
    title: str


def plot_overlays(rows: Mapping[str, Sequence[Panel]], *, title: str = "") -> Figure:
    """One row a finding: the reference as a line, the prediction as a shade with a line.

    Args:
        rows: finding -> its panels; one at least has a panel.
        title: above the picture.
    """
    from matplotlib.lines import Line2D

    figure = plot_rows(rows, _draw, title=title)
    lines = [Line2D([], [], color=REFERENCE, lw=2), Line2D([], [], color=PREDICTION, lw=2)]
    figure.legend(lines, ["reference", "prediction"], loc="upper right", ncols=2, fontsize=8, frameon=False)
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    axes.imshow(panel.image, cmap="gray", interpolation="bilinear")
    if panel.predicted.any():
        shade = np.ma.masked_where(~panel.predicted, np.ones(panel.predicted.shape))
        axes.contourf(shade, levels=[0.5, 1.5], colors=[PREDICTION], alpha=0.3)
        _outline(axes, panel.predicted, PREDICTION)
    if panel.reference.any():
        _outline(axes, panel.reference, REFERENCE)
    height, width = panel.image.shape  # contours would widen the axes
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.set_title(panel.title, fontsize=8, color=INK)


def _outline(axes: Axes, mask: np.ndarray, colour: str) -> None:
    height, width = mask.shape
    padded = np.pad(mask.astype(np.float32), 1)  # a mask that reaches the edge is closed there
    axes.contour(
        np.arange(-1, width + 1), np.arange(-1, height + 1), padded, levels=[0.5], colors=[colour], linewidths=1.2
    )

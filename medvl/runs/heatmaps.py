"""The picture of where a classifier looks: maps over radiographs, beside the boxes of the findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvl.runs.curves import INK
from medvl.runs.finding_rows import plot_rows
from medvl.runs.heat import blended, of_largest, shown_pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOX_COLOUR = "#39c6e0"


@dataclass(frozen=True)
class Looked:
    """A radiograph with a map and boxes.

    Attributes:
        image: (H, H) float.
        cells: (h, w) float, at least 0.
        boxes: (M, 4) x, y (of the upper left corner), width, height, as fractions of the image.
        title: below which it stands.
    """

    image: np.ndarray
    cells: np.ndarray
    boxes: np.ndarray
    title: str


def plot_heatmaps(rows: Mapping[str, Sequence[Looked]], *, title: str = "") -> Figure:
    """One row a finding: each radiograph under its map, the boxes as lines (Dalla Serra 2022, Figure 3).

    Args:
        rows: finding -> its radiographs; one at least has one.
        title: above the picture.
    """
    return plot_rows(rows, _draw, title=title)


def _draw(axes: Axes, panel: Looked) -> None:
    axes.imshow(blended(shown_pixels(panel.image), of_largest(panel.cells)))
    draw_boxes(axes, panel.boxes, len(panel.image))
    axes.set_title(panel.title, fontsize=8, color=INK)


def draw_boxes(axes: Axes, boxes: np.ndarray, side: int, *, dotted: bool = False) -> None:
    """Lines about boxes (M, 4), fractions of an image that is shown `side` pixels wide and high."""
    from matplotlib.patches import Rectangle

    for x, y, width, height in (side * np.asarray(boxes).reshape(-1, 4)).tolist():
        axes.add_patch(Rectangle((x, y), width, height, fill=False, lw=1, ls=":" if dotted else "-", ec=BOX_COLOUR))

"""Pictures of radiographs by finding: a row for each finding, a radiograph in each place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from medvl.runs.curves import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 2.3  # inches of a radiograph

Panel = TypeVar("Panel")


def plot_rows(rows: Mapping[str, Sequence[Panel]], draw: Callable[[Axes, Panel], None], *, title: str = "") -> Figure:
    """One row a finding, its name at the side.

    Args:
        rows: finding -> its panels; one at least has a panel.
        draw: draws one panel into its axes.
        title: above the picture.
    """
    from matplotlib.figure import Figure

    columns = max(len(panels) for panels in rows.values())
    figure = Figure(figsize=(SIDE * columns + 0.3, (SIDE + 0.35) * len(rows) + 0.7), dpi=150, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    grid = np.array(figure.subplots(len(rows), columns, squeeze=False))
    for line, (name, panels) in zip(grid, rows.items(), strict=True):
        for place, axes in enumerate(line):
            axes.set_axis_off()
            if place < len(panels):
                draw(axes, panels[place])
        line[0].text(
            -0.04, 0.5, name, transform=line[0].transAxes, rotation=90, ha="right", va="center", fontsize=8, color=INK
        )
    return figure

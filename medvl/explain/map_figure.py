"""A picture of a case: the radiograph, and beside it maps over it, its boxes on all."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from medvl.explain.case import Case
from medvl.runs.curves import INK
from medvl.runs.heat import blended
from medvl.runs.heatmaps import draw_boxes

SIDE = 512  # pixels of a radiograph in the picture
TITLE = 42  # characters of a line above one


def map_figure(case: Case, maps: Mapping[str, np.ndarray], findings: Sequence[str] = ()) -> bytes:
    """As PNG.

    Args:
        case: what is shown.
        maps: what stands above each map -> (h, w) values in [0, 1].
        findings: which finding each map is of; there the boxes of others are dotted.
    """
    shown = np.asarray(Image.fromarray(case.pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    figure = Figure(figsize=(2.6 * (len(maps) + 1), 3.2), dpi=100, layout="constrained")
    first, *others = figure.subplots(1, len(maps) + 1, squeeze=False)[0]
    first.imshow(shown, cmap="gray", vmin=0, vmax=255)
    for panel, cells in zip(others, maps.values(), strict=True):
        panel.imshow(blended(shown, cells))
    titles = [", ".join(case.positives) or "no finding", *maps]
    boxes = np.array([[box.x, box.y, box.width, box.height] for box in case.boxes]).reshape(-1, 4)
    labels = np.array([box.label for box in case.boxes], str)
    apart = [np.zeros(len(boxes), bool), *(labels != finding for finding in findings)]
    apart += [apart[0]] * (len(titles) - len(apart))  # of no finding: all boxes alike
    for panel, title, dotted in zip((first, *others), titles, apart, strict=True):
        panel.set_title(fill(title, TITLE), fontsize=8, color=INK, loc="left")
        panel.set_axis_off()
        draw_boxes(panel, boxes[~dotted], SIDE)
        draw_boxes(panel, boxes[dotted], SIDE, dotted=True)
    file = io.BytesIO()
    figure.savefig(file, format="png", facecolor="white")
    return file.getvalue()

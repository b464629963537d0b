"""Where the boxes of a study table stand in what a view shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medvl.data.boxes import boxes_in_square
from medvl.data.dataset import BOXES, IMAGE, Dataset
from medvl.data.scaling import Fit


@dataclass(frozen=True)
class Box:
    """Where a finding stands in what is shown: fractions of its width and height, from the upper left corner."""

    label: str
    x: float
    y: float
    width: float
    height: float


def shown_boxes(
    dataset: Dataset, table: pa.Table, rows: np.ndarray, fit: Fit, window: tuple[float, float, float, float] | None
) -> list[tuple[Box, ...]]:
    """The boxes of each row, of which something is shown.

    Where a radiograph is cropped or padded to a square its size is asked of its file.

    Args:
        dataset: reads the images.
        table: the study table.
        rows: (n,) int64 row numbers.
        fit: how radiographs were made square.
        window: of the view (`View.window`); None where it is not known, and so no box can be placed.

    Raises:
        DataError: an image with a box cannot be read.
    """
    if window is None or BOXES not in table.column_names or len(rows) == 0:
        return [()] * len(rows)
    given = table.column(BOXES).take(pa.array(rows)).to_pylist()
    images = table.column(IMAGE).take(pa.array(rows)).to_pylist()
    return [_placed(dataset, str(image), boxes or [], fit, window) for image, boxes in zip(images, given, strict=True)]


def _placed(
    dataset: Dataset, image: str, given: list[dict], fit: Fit, window: tuple[float, float, float, float]
) -> tuple[Box, ...]:
    if not given:
        return ()
    height, width = (1, 1) if fit == "stretch" else dataset.read_image(image).shape
    corners = np.array([[box["x"], box["y"], box["width"], box["height"]] for box in given], float)
    placed = boxes_in_square(corners, (height, width), fit, window)
    return tuple(
        Box(box["label"], *map(float, corner))
        for box, corner in zip(given, placed, strict=True)
        if corner[2] > 0 and corner[3] > 0
    )

"""The study table's `boxes` column: where findings stand, as fractions of the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medvl.data.scaling import Fit

BOX = pa.struct([("label", pa.string())] + [(side, pa.float32()) for side in ("x", "y", "width", "height")])


def box_column(
    count: int, image: npt.NDArray[np.int64], label: npt.NDArray[np.object_], corners: npt.NDArray[np.float64]
) -> pa.ListArray:
    """M boxes as a column of `count` lists; those of one image keep their order.

    Args:
        count: rows of the table.
        image: (M,) row of each box.
        label: (M,) name of each box's finding.
        corners: (M, 4) x, y (of the top left corner), width, height, as fractions of the image's width and height.
    """
    order = np.argsort(image, kind="stable")
    offsets = np.searchsorted(image[order], np.arange(count + 1))
    names = pa.array(label[order], pa.string())
    sides = [pa.array(corners[order, k], pa.float32()) for k in range(4)]
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.StructArray.from_arrays([names, *sides], fields=list(BOX))
    )


def boxes_in_square(
    corners: npt.NDArray[np.float64], size: tuple[int, int], fit: Fit, window: tuple[float, float, float, float]
) -> npt.NDArray[np.float64]:
    """Where boxes stand in what a view shows of a radiograph that was made square.

    Args:
        corners: (M, 4) x, y (of the top left corner), width, height, as fractions of the radiograph's width and height.
        size: (height, width) of the radiograph, in any unit.
        fit: how it was made square (`medvl.data.scaling.square`).
        window: left, top, right, bottom of what the view shows, as fractions of the square (`View.window`).

    Returns:
        (M, 4) fractions of what is shown, cut at its edges; of no width or height where nothing of a box is shown.
    """
    height, width = size
    side = {"crop": min(size), "pad": max(size)}.get(fit)
    sides = np.ones(2) if side is None else np.array([width, height]) / side
    ends = np.stack([corners[:, :2], corners[:, :2] + corners[:, 2:]], 1)  # (M, 2 ends, 2 axes), of the radiograph
    ends = (ends - 0.5) * sides + 0.5  # of the square: both have one centre
    first, last = np.array(window[:2]), np.array(window[2:])
    ends = ((ends - first) / (last - first)).clip(0, 1)
    return np.concatenate([ends[:, 0], ends[:, 1] - ends[:, 0]], 1)

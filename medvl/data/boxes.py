"""The study table's `boxes` column: where findings stand, as fractions of the image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

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

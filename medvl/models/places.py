"""Where a joint sequence holds the image and the words: what a picture of its attention needs to know."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class JointPlaces:
    """Positions of a fusion's joint sequence, as it is in evaluation.

    Attributes:
        grid: (height, width) of the cells that the image is cut into.
        image: (height * width,) int64, the position of each cell, row by row; -1 where it is not in the sequence.
        text: (T,) int64, the position of each column of `text.ids`; -1 where it is not in the sequence.
    """

    grid: tuple[int, int]
    image: Tensor
    text: Tensor

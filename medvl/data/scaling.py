"""Radiographs to the squares that are kept: where one lies in its pixels, and antialiased scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

Fit = Literal["crop", "pad", "stretch"]
Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels from the upper left corner


@dataclass(frozen=True)
class Picture:
    """A radiograph, whole or decoded at a lower resolution.

    Attributes:
        pixels: uint8 (H, W).
        box: the radiograph's edges in `pixels`. A width of 2501 read at a quarter is 626 pixels, the last of which is
            one fourth radiograph; scaling that ignored it would shift all that is kept.
    """

    pixels: np.ndarray
    box: Box

    @classmethod
    def whole(cls, pixels: np.ndarray) -> Picture:
        """All of `pixels`."""
        return cls(pixels, whole_box(pixels))


def whole_box(pixels: np.ndarray) -> Box:
    """The edges of an array (H, W)."""
    height, width = pixels.shape
    return 0.0, 0.0, float(width), float(height)


def resize(image: np.ndarray, side: int, fit: Fit = "crop") -> np.ndarray:
    """uint8 (H, W) -> (side, side); see `square`."""
    return square(Picture.whole(image), side, fit)


def square(picture: Picture, side: int, fit: Fit = "crop") -> np.ndarray:
    """uint8 (side, side), antialiased.

    Args:
        picture: a radiograph.
        side: pixels.
        fit: `crop` scales the short side and keeps the centre square, `pad` scales the long side and fills with black,
            `stretch` ignores the aspect ratio.
    """
    left, top, right, bottom = picture.box
    width, height = right - left, bottom - top
    if picture.pixels.shape == (side, side) == (height, width):
        return picture.pixels
    if fit == "pad":
        return _padded(picture, side)
    if fit == "stretch":
        return _scaled(picture.pixels, (side, side), picture.box)
    short = min(height, width)
    left, top = left + (width - short) / 2, top + (height - short) / 2
    return _scaled(picture.pixels, (side, side), (left, top, left + short, top + short))


def _padded(picture: Picture, side: int) -> np.ndarray:
    left, top, right, bottom = picture.box
    scale = side / max(bottom - top, right - left)
    rows, columns = max(1, round((bottom - top) * scale)), max(1, round((right - left) * scale))
    above, before = (side - rows) // 2, (side - columns) // 2
    kept = np.zeros((side, side), np.uint8)
    kept[above : above + rows, before : before + columns] = _scaled(picture.pixels, (columns, rows), picture.box)
    return kept


def _scaled(pixels: np.ndarray, size: tuple[int, int], box: Box) -> np.ndarray:
    # Pillow's bilinear filter widens with the reduction, so it averages; the gap lets it halve by boxes first.
    scaled = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    return np.asarray(scaled)

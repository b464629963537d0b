"""Maps as colours over radiographs."""

from __future__ import annotations

import numpy as np
from PIL import Image

COLOURS = "inferno"
OPACITY = 0.75  # of a map's largest value over the radiograph


def smoothed(cells: np.ndarray, side: int) -> np.ndarray:
    """A map (h, w) of values in [0, 1] -> (side, side), bicubic, in [0, 1]."""
    grid = Image.fromarray(cells.astype(np.float32), mode=None)
    return np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 1)


def coloured(values: np.ndarray) -> np.ndarray:
    """(H, W) in [0, 1] -> RGBA in [0, 1]; what is small is see-through."""
    from matplotlib import colormaps

    colours = colormaps[COLOURS](values)
    colours[..., 3] = OPACITY * values
    return colours


def blended(pixels: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """A radiograph, uint8 (H, H), under a map (h, w) of values in [0, 1]: (H, H, 3) in [0, 1]."""
    heat = coloured(smoothed(cells, len(pixels)))
    opacity = heat[..., 3:]
    return heat[..., :3] * opacity + (pixels[..., None] / 255) * (1 - opacity)


def shown_pixels(image: np.ndarray) -> np.ndarray:
    """What a model sees, (H, W) float of any scale -> uint8, its darkest value black and its brightest white."""
    low, high = float(image.min()), float(image.max())
    return np.rint(255 * (image - low) / max(high - low, 1e-12)).astype(np.uint8)


def of_largest(cells: np.ndarray) -> np.ndarray:
    """A map of values of at least 0, as shares of its largest; all 0 where it is."""
    return cells / max(float(cells.max()), 1e-12)

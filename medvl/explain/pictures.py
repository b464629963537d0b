"""Radiographs and maps as small picture files."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from PIL import Image

from medvl.explain.markup import data_uri

COLOURS = "inferno"
OPACITY = 0.75  # of a map's largest value over the radiograph
SMOOTH = 96  # pixels a side of a map in the page; the browser scales it to the radiograph
SHADES = 48  # colours of a map's file
JPEG_QUALITY = 88


def shown_pixels(image: np.ndarray) -> np.ndarray:
    """What a model sees, (H, W) float of any scale -> uint8, its darkest value black and its brightest white."""
    low, high = float(image.min()), float(image.max())
    return np.rint(255 * (image - low) / max(high - low, 1e-12)).astype(np.uint8)


def radiograph_uri(pixels: np.ndarray) -> str:
    """uint8 (H, W) as a JPEG inside the page."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=JPEG_QUALITY)
    return data_uri(file.getvalue(), "jpeg")


def smoothed(cells: np.ndarray, side: int) -> np.ndarray:
    """A map (h, w) of values in [0, 1] -> (side, side), bicubic, in [0, 1]."""
    grid = Image.fromarray(cells.astype(np.float32), mode=None)
    return np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 1)


def heat_uri(cells: np.ndarray) -> str:
    """A map (h, w) of values in [0, 1] as a see-through PNG to lie over the radiograph."""
    file = io.BytesIO()
    heat = Image.fromarray(np.rint(255 * _coloured(smoothed(cells, SMOOTH))).astype(np.uint8), "RGBA")
    heat.quantize(SHADES, Image.Quantize.FASTOCTREE).save(file, "png", optimize=True)
    return data_uri(file.getvalue(), "png")


def blended(pixels: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """A radiograph, uint8 (H, H), under a map: (H, H, 3) in [0, 1]."""
    heat = _coloured(smoothed(cells, len(pixels)))
    opacity = heat[..., 3:]
    return heat[..., :3] * opacity + (pixels[..., None] / 255) * (1 - opacity)


def _coloured(values: np.ndarray) -> np.ndarray:
    """(H, W) in [0, 1] -> RGBA in [0, 1]; what is small is see-through."""
    colours = matplotlib.colormaps[COLOURS](values)
    colours[..., 3] = OPACITY * values
    return colours

"""Radiographs and maps as small picture files."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from medvl.explain.markup import data_uri
from medvl.runs.heat import coloured, smoothed

SMOOTH = 96  # pixels a side of a map in the page; the browser scales it to the radiograph
SHADES = 48  # colours of a map's file
JPEG_QUALITY = 88


def radiograph_uri(pixels: np.ndarray) -> str:
    """uint8 (H, W) as a JPEG inside the page."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=JPEG_QUALITY)
    return data_uri(file.getvalue(), "jpeg")


def heat_uri(cells: np.ndarray) -> str:
    """A map (h, w) of values in [0, 1] as a see-through PNG to lie over the radiograph."""
    file = io.BytesIO()
    heat = Image.fromarray(np.rint(255 * coloured(smoothed(cells, SMOOTH))).astype(np.uint8), "RGBA")
    heat.quantize(SHADES, Image.Quantize.FASTOCTREE).save(file, "png", optimize=True)
    return data_uri(file.getvalue(), "png")

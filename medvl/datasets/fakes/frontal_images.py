"""Frontal phantom radiographs for miniatures whose owners give frontal views alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from medvl.data.dataset import VIEW
from medvl.datasets.phantom.dataset import Phantom
from medvl.datasets.phantom.render import LATERAL

RESOLUTION = 256  # of the drawn radiographs; a format that fixes another size has them enlarged


@dataclass(frozen=True)
class FrontalImages:
    """Rows of a phantom's study table and their radiographs.

    Attributes:
        phantom: what drew them.
        table: frontal rows alone, in the phantom's order.
        pixels: one uint8 (H, W) a row.
    """

    phantom: Phantom
    table: pa.Table
    pixels: list[np.ndarray]


def draw_frontal(patients: int, seed: int, resolution: int = RESOLUTION) -> FrontalImages:
    """All frontal radiographs of `patients` phantom patients, patient by patient."""
    phantom = Phantom(patients=patients, seed=seed, resolution=resolution)
    table = phantom.table()
    table = table.filter(pc.not_equal(table.column(VIEW), LATERAL))
    pixels = [
        image for image in phantom.read_images(table.column("image").to_pylist()) if isinstance(image, np.ndarray)
    ]
    return FrontalImages(phantom, table, pixels)


def enlarge(pixels: np.ndarray, side: int) -> np.ndarray:
    """uint8 (H, W) -> (side, side)."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR))

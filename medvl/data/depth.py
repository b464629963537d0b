"""Stored values of 8 or 16 bits to bytes, through a table with an entry for each possible code."""

from __future__ import annotations

import numpy as np

from medvl.data.scaling import Box, Picture
from medvl.data.shortcuts import averaged, block_of


def code_values(dtype: np.dtype) -> np.ndarray:
    """(256,) or (65536,) float64: the value that each code of an integer type stands for, negative ones too."""
    return np.arange(256**dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype).astype(np.float64)


def linear(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Shares of full brightness: 0 at `low`, 1 at `high`, straight in between and beyond."""
    return (values - low) / max(high - low, 1e-9)


def to_bytes(stored: np.ndarray, shares: np.ndarray, box: Box, average_for: int | None = None) -> Picture:
    """Look stored values up.

    Args:
        stored: 8- or 16-bit integers (H, W), in the machine's byte order.
        shares: of full brightness, of each code; those outside [0, 1] are cut off.
        box: where the image lies in `stored`.
        average_for: the side that will be kept, where 16-bit values may be averaged over blocks before they are looked
            up: three times faster, and the same but for rounding where the shares are a straight line; None: never.
    """
    if average_for is not None and stored.itemsize == 2:
        block = block_of(stored.shape, average_for)
        if block > 1:
            left, top, right, bottom = box
            stored, _ = averaged(stored, block)
            box = left / block, top / block, right / block, bottom / block
    table = np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
    return Picture(np.take(table, stored.view(f"u{stored.itemsize}")), box)

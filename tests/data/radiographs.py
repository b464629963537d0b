"""Stored values that look like a radiograph, and how far two pictures are apart."""

from __future__ import annotations

import numpy as np


def stored_radiograph(shape: tuple[int, int], bits: int, seed: int = 0) -> np.ndarray:
    """(H, W) uint8 or uint16: large shapes, an edge that moves when the picture does, and noise."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    shares = 0.5 + 0.3 * np.sin(9 * x / width) * np.cos(7 * y / height) + 0.15 * (x / width + y / height > 0.8)
    shares += 0.01 * np.random.default_rng(seed).standard_normal(shape)
    return np.rint((2**bits - 1) * np.clip(shares, 0, 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def decibels(image: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio of bytes."""
    error = np.square(image.astype(float) - reference).mean()
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)

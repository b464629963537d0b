"""Sums over cases under many case weights at once."""

from __future__ import annotations

import numpy as np

CHUNK = 4096  # cases per matrix product


def weighted_sums(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum each column of values under each column of case weights.

    Args:
        values: (N, K) boolean or float.
        weights: (N, R).

    Returns:
        (K, R) float64; exact where the values are boolean and the weights bytes.
    """
    total = np.zeros((values.shape[1], weights.shape[1]))
    exact = values.dtype == bool and weights.dtype == np.uint8  # a chunk of bytes sums exactly in float32
    dtype = np.float32 if exact else np.float64
    for start in range(0, len(weights), CHUNK):
        rows = slice(start, start + CHUNK)
        total += values[rows].T.astype(dtype) @ weights[rows].astype(dtype)
    return total

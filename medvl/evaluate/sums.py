"""Sums and means over cases under many case weights at once."""

from __future__ import annotations

import numpy as np

from medvl.evaluate.bootstrap import Weighted, mean_defined

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


def means_of_findings(values: np.ndarray) -> Weighted:
    """Mean over cases of M measures of K findings, and the mean of each measure over the findings that have one.

    Args:
        values: (N, M, K), NaN where a measure leaves a case out.

    Returns:
        From weights (N, R) to (M + M * K, R): the M means over findings, then each measure's findings.
    """
    _, measures, findings = values.shape
    flat = values.reshape(len(values), -1)
    known = ~np.isnan(flat)
    filled = np.where(known, flat, 0.0)

    def means(weights: np.ndarray) -> np.ndarray:
        number = weighted_sums(known, weights)
        each = np.divide(weighted_sums(filled, weights), number, out=np.full(number.shape, np.nan), where=number > 0)
        macro = [mean_defined(part) for part in each.reshape(measures, findings, -1)]
        return np.concatenate([np.stack(macro), each])

    return means

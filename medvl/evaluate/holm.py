"""Holm's correction of p-values for the number of tests."""

from __future__ import annotations

import numpy as np


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values that keep the chance of any false alarm below the level (Holm, 1979).

    The smallest of M p-values is multiplied by M, the next by M - 1, ...; none ends below a smaller one's.

    Args:
        p: (K,) in [0, 1]; NaN (an undefined finding) is no test and stays NaN.

    Returns:
        (K,) at most 1.
    """
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors)) if len(order) else []
    return adjusted

"""Two labellings of the same reports beside each other: a labeler's against what is known."""

from __future__ import annotations

import numpy as np

from medvl.labelers.base import STATES


def confusion(known: np.ndarray, found: np.ndarray) -> np.ndarray:
    """How often each known state of a finding was read as each state.

    Args:
        known, found: (N, K) labels (`medvl.Labeler`).

    Returns:
        (K, 4, 4) int64, known by row and found by column, both in the order of `STATES`: positive, negative,
        uncertain, not mentioned.
    """
    order = np.array(list(STATES))
    rows, columns = (np.argmax(labels[..., None] == order, axis=-1) for labels in (known, found))  # (N, K)
    table = np.zeros((known.shape[1], len(order), len(order)), np.int64)
    np.add.at(table, (np.arange(known.shape[1]), rows, columns), 1)
    return table

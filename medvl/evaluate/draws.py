"""The bootstrap draws behind a result: what makes a paired difference of any metric a subtraction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

Fact = str | int | float


@dataclass(frozen=True)
class Draws:
    """R bootstrap replicates of each metric, and what was drawn.

    Two results whose draws are of the same cases, in one order and in the same units, with equal seed and replicates,
    were drawn alike: replicate r of both holds the same cases as often.

    Attributes:
        values: metric -> (R,) float, NaN where a draw leaves it undefined.
        positions: (n,) int64, the places among the N cases of those that were drawn from, in their order.
        codes: (n,) which unit each of them belongs to (`medvl.evaluate.bootstrap.clusters`).
        unit: `patient` or `case`.
        seed: of the draws.
        judged: what else must be equal for two values of a metric to mean the same: a threshold, the size of a pool,
            a `digest` of the labels.
    """

    values: dict[str, np.ndarray]
    positions: np.ndarray
    codes: np.ndarray
    unit: str
    seed: int
    judged: dict[str, Fact] = field(default_factory=dict)


def digest(parts: Iterable[str] | np.ndarray) -> str:
    """`#` and 12 hexadecimal digits that stand for an array, or for texts in their order, in place of their content."""
    if isinstance(parts, np.ndarray):
        content = f"{parts.dtype} {parts.shape} ".encode() + np.ascontiguousarray(parts).tobytes()
    else:
        content = "\0".join(parts).encode("utf-8")
    return f"#{hashlib.sha256(content).hexdigest()[:12]}"

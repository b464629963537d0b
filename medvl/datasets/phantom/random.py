"""Random numbers as a pure function of what they are for: hashes of (seed, patient, study, ...) and a purpose.

A patient's draws therefore never depend on how many patients there are, on the order in which they are asked
for, or on which other quantities are drawn. The hash is the finaliser of SplitMix64 (Steele et al. 2014).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(values: Keys) -> Keys:
    """Scramble 64-bit words, so that neighbours become unrelated."""
    z = values + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def keys(seed: int, *parts: npt.ArrayLike) -> Keys:
    """One key per row from a seed and equally long columns of integers."""
    key = mix(np.array([seed], dtype=np.int64).astype(np.uint64))
    for part in parts:
        key = mix(key ^ mix(np.atleast_1d(np.asarray(part)).astype(np.int64).astype(np.uint64)))
    return key


class Draws:
    """Independent draws for each of N keys; the same name always gives the same numbers."""

    def __init__(self, key: Keys):
        self.key = key

    def bits(self, name: str, count: int) -> Keys:
        """(N, count) words of 64 random bits."""
        base = mix(self.key ^ np.uint64(zlib.crc32(name.encode())))
        return mix(base[:, None] + np.arange(count, dtype=np.uint64)[None, :])

    def uniform(self, name: str, low: float = 0.0, high: float = 1.0) -> Array:
        """(N,) in [low, high)."""
        unit = (self.bits(name, 1)[:, 0] >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return low + (high - low) * unit

    def normal(self, name: str, mean: float = 0.0, spread: float = 1.0) -> Array:
        """(N,) normal draws (Box-Muller)."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(name + ".radius")))
        return mean + spread * radius * np.cos(2.0 * np.pi * self.uniform(name + ".angle"))

    def chance(self, name: str, probability: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(N,) True with this probability, one for all or one per key."""
        return self.uniform(name) < np.asarray(probability)

    def choice(self, name: str, weights: Sequence[float]) -> npt.NDArray[np.int64]:
        """(N,) indices drawn with these weights, which sum to 1."""
        return np.searchsorted(np.cumsum(weights)[:-1], self.uniform(name), side="right")

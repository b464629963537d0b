"""The order of an epoch: a keyed permutation of the cases, computed position by position, nothing stored."""

from __future__ import annotations

import numpy as np

from medvl.data.random import keys, mix64

_ROUNDS = 16  # 8 leave a measurable bias among the permutations of five or six cases


class EpochOrder:
    """A random permutation of `range(count)` for every epoch; any position of it costs the same and needs no memory.

    An alternating Feistel network permutes the smallest power of two that holds `count` (Black and Rogaway,
    "Ciphers with arbitrary finite domains", 2002); a value that lands outside is sent through again until it is
    inside, which keeps the map a bijection and takes less than two passes on average.

    Args:
        count: number of cases, at least 1.
        seed: the stage's seed.
    """

    def __init__(self, count: int, seed: int) -> None:
        if count < 1:
            raise ValueError(f"an order needs at least one case, got {count}")
        self.count = count
        self.seed = int(seed)
        bits = max(2, (count - 1).bit_length())
        self._low = np.uint64(bits // 2)
        self._high = np.uint64(bits - bits // 2)

    def at(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Which cases stand at these positions of the epoch: (B,) of 0 ... count - 1 -> (B,) int64 likewise.

        Raises:
            IndexError: a position is outside the epoch.
        """
        positions = np.asarray(positions, np.int64)
        if positions.size and (positions.min() < 0 or positions.max() >= self.count):
            raise IndexError(f"positions of an epoch of {self.count} cases are 0 to {self.count - 1}")
        rounds = keys(_ROUNDS, "order", self.seed, int(epoch))
        values = self._permute(positions.astype(np.uint64), rounds)
        outside = np.flatnonzero(values >= self.count)
        while outside.size:
            values[outside] = self._permute(values[outside], rounds)
            outside = outside[values[outside] >= self.count]
        return values.astype(np.int64)

    def _permute(self, values: np.ndarray, rounds: np.ndarray) -> np.ndarray:
        """The Feistel network: each half in turn is changed by a keyed hash of the other."""
        full = np.uint64(64)
        low = values & ((np.uint64(1) << self._low) - np.uint64(1))
        high = values >> self._low
        for even, odd in zip(rounds[::2], rounds[1::2], strict=True):
            low = low ^ (mix64(high + even) >> (full - self._low))
            high = high ^ (mix64(low + odd) >> (full - self._high))
        return (high << self._low) | low

"""Random numbers that belong to a sample: no generator, no state, nothing to save or to resume.

A number is a hash of (seed, epoch, stream, name, index), so it is the same whatever the batch size, the number of
processes or the step at which a run was taken up again.
"""

from __future__ import annotations

import hashlib

import numpy as np


def mix64(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64, a bijection of 64-bit words: uint64 -> uint64 of the same shape.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), with the constants
    of Vigna's splitmix64.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def keys(count: int, *parts: int | str) -> np.ndarray:
    """`count` independent uint64 keys from any numbers and names, the same on every machine."""
    digest = hashlib.shake_128(repr(parts).encode()).digest(8 * count)
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


class SampleRandom:
    """Random numbers for the samples of a batch, each a function of (seed, epoch, index, stream, name) alone.

    Args:
        seed: the stage's seed.
        epoch: which pass over the data; another epoch gives other numbers.
        indices: (B,) int64, what names a sample: its row number.
        stream: who draws, e.g. the name of a view, so that two views of one sample differ.
    """

    def __init__(self, seed: int, epoch: int, indices: np.ndarray, stream: str) -> None:
        self.seed = int(seed)
        self.epoch = int(epoch)
        self.indices = np.asarray(indices, np.int64)
        self.stream = stream

    def uniform(self, name: str, low: float, high: float) -> np.ndarray:
        """(B,) float32 between `low` and `high`, in steps of (high - low) / 2**24."""
        return np.float32(low) + np.float32(high - low) * self._unit(name)

    def flip(self, name: str, p: float) -> np.ndarray:
        """(B,) bool, True with probability `p`."""
        return self._unit(name) < p

    def integers(self, name: str, count: int | np.ndarray) -> np.ndarray:
        """(B,) int64 of 0 ... count - 1, for a count below 2**32: one for all samples, or (B,) one for each."""
        return _scaled(self._bits(name), count)

    def uniform_grid(self, name: str, columns: int) -> np.ndarray:
        """(B, columns) float32 of [0, 1): numbers for the tokens of a text, the same however long its batch is."""
        return _unit(self._grid(name, columns))

    def integer_grid(self, name: str, columns: int, count: int) -> np.ndarray:
        """(B, columns) int64 of 0 ... count - 1, for a count below 2**32; likewise."""
        return _scaled(self._grid(name, columns), count)

    def _grid(self, name: str, columns: int) -> np.ndarray:
        """(B, columns) uint64."""
        return mix64(self._bits(name)[:, None] + keys(columns, "columns"))

    def _unit(self, name: str) -> np.ndarray:
        """(B,) float32 of [0, 1)."""
        return _unit(self._bits(name))

    def _bits(self, name: str) -> np.ndarray:
        # A second key between two rounds: with one alone, two names would read one sequence at two offsets.
        offset, inner = keys(2, self.seed, self.epoch, self.stream, name)
        return mix64(mix64(self.indices.astype(np.uint64) + offset) ^ inner)


def _unit(bits: np.ndarray) -> np.ndarray:
    """uint64 -> float32 of [0, 1): 24 bits are all that a float32 holds evenly."""
    return (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def _scaled(bits: np.ndarray, count: int | np.ndarray) -> np.ndarray:
    """uint64 -> int64 of 0 ... count - 1."""
    scaled = (bits >> np.uint64(32)) * np.asarray(count).astype(np.uint64)
    return (scaled >> np.uint64(32)).astype(np.int64)

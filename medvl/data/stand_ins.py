"""Other texts and radiographs in the place of a case's own: what a stage does without them is told so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medvl.data.cases import ImageReader, TokenArrays

SAMPLE = 1000  # radiographs that a mean is taken of
READ = 256  # of them at a time


@dataclass(frozen=True)
class OtherTokens:
    """Token ids of other texts: that of row i is text `to[i]` of `tokens`.

    Attributes:
        tokens: texts.
        to: (rows of the table,) int64.
    """

    tokens: TokenArrays
    to: np.ndarray

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """See `TokenArrays.lengths`."""
        return self.tokens.lengths(self.to[rows])

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `TokenArrays.batch`."""
        return self.tokens.batch(self.to[rows])


@dataclass(frozen=True)
class OneRadiograph:
    """The same radiograph, uint8 (S, S), whatever row is asked for."""

    pixels: np.ndarray

    @property
    def side(self) -> int:
        """S, pixels."""
        return len(self.pixels)

    def read(self, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Row numbers (B,) -> `out`, (B, S, S) uint8."""
        out[:] = self.pixels
        return out


def mean_radiograph(images: ImageReader, rows: np.ndarray) -> OneRadiograph:
    """The mean, pixel by pixel, of up to `SAMPLE` of these rows' radiographs, evenly spaced.

    Args:
        images: holds them.
        rows: (n,) int64, n at least 1.
    """
    ascending = np.unique(rows)
    sample = ascending[np.unique(np.linspace(0, len(ascending) - 1, min(SAMPLE, len(ascending))).round().astype(int))]
    total = np.zeros((images.side, images.side))
    for start in range(0, len(sample), READ):
        part = sample[start : start + READ]
        total += images.read(part, np.empty((len(part), images.side, images.side), np.uint8)).sum(0, dtype=np.float64)
    return OneRadiograph(np.rint(total / len(sample)).astype(np.uint8))


def next_in_a_circle(members: np.ndarray, seed: int) -> dict[int, int]:
    """Each member, (n,) int64, -> another one, drawn at random; itself only where there is no other."""
    order = np.random.default_rng(seed).permutation(members)
    return dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))

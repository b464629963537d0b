"""What a stage trains or tests on, as arrays: which rows, their radiographs, token ids and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class ImageReader(Protocol):
    """Anything that holds decoded radiographs: the decoded-image store, or an array in memory.

    Attributes:
        side: S, pixels.
    """

    side: int

    def read(self, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Row numbers (B,) int64, ascending -> `out`, (B, S, S) uint8, filled."""


@dataclass(frozen=True)
class TokenArrays:
    """Token ids of all texts end to end, as `Tokenizer.encode` gives them; arrays may be memory-mapped.

    Attributes:
        ids: (total,) uint16 or int32.
        offsets: (N + 1,) int64; text i is `ids[offsets[i]:offsets[i + 1]]`.
        pad: the id that fills up shorter texts.
    """

    ids: np.ndarray
    offsets: np.ndarray
    pad: int = 0

    def batch(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Texts (B,) -> ids (B, T) int64 and mask (B, T) bool, True on real tokens; T is the longest of them."""
        starts = self.offsets[positions]
        lengths = self.offsets[positions + 1] - starts
        columns = np.arange(lengths.max(initial=0))
        mask = columns < lengths[:, None]  # (B, T)
        ids = np.full(mask.shape, self.pad, np.int64)
        ids[mask] = self.ids[(starts[:, None] + columns)[mask]]
        return ids, mask


@dataclass(frozen=True)
class CaseArrays:
    """N cases; position i of every array is case i.

    Attributes:
        rows: (N,) int64 row numbers of the study table and of the image store.
        images: the radiographs by row number, or None.
        tokens: the cases' texts, or None.
        labels: (N, K) float32, NaN where unknown, or None.
    """

    rows: np.ndarray
    images: ImageReader | None = None
    tokens: TokenArrays | None = None
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

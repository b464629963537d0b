"""What a stage trains or tests on: which rows, and where their radiographs, token ids and labels are looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class ImageReader(Protocol):
    """Anything that holds decoded radiographs: the decoded-image store, or an array in memory."""

    @property
    def side(self) -> int:
        """S, pixels."""

    def read(self, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Row numbers (B,) int64, ascending -> `out`, (B, S, S) uint8, filled."""


class FeatureReader(Protocol):
    """Anything that holds pooled image features, such as `medvl.data.features.FeatureStore`."""

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (B,) int64 -> (B, D) float32."""


class MaskReader(Protocol):
    """Anything that holds masks, such as `medvl.data.masks.MaskStore`."""

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (B,) int64 -> (B, K, S, S) bool, in the geometry of the radiographs."""


class LabelReader(Protocol):
    """Anything that holds labels, such as `medvl.data.label_columns.LabelColumns`."""

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (B,) int64 -> (B, K) float32, NaN where unknown."""


class TokenReader(Protocol):
    """Anything that holds token ids of texts: `TokenArrays`, or other texts in their place."""

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (B,) -> (B,) int64 tokens."""

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers (B,) -> ids (B, T) int64 and mask (B, T) bool, True on real tokens; T is the longest of them."""


@dataclass(frozen=True)
class TokenArrays:
    """Token ids of the texts of all rows end to end, as `Tokenizer.encode` gives them; arrays may be memory-mapped.

    Attributes:
        ids: (total,) uint16 or int32.
        offsets: (N + 1,) int64; the text of row i is `ids[offsets[i]:offsets[i + 1]]`.
        pad: the id that fills up shorter texts.
    """

    ids: np.ndarray
    offsets: np.ndarray
    pad: int = 0

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (B,) -> (B,) int64 tokens."""
        return self.offsets[rows + 1] - self.offsets[rows]

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers (B,) -> ids (B, T) int64 and mask (B, T) bool, True on real tokens; T is the longest of them."""
        starts, lengths = self.offsets[rows], self.lengths(rows)
        columns = np.arange(lengths.max(initial=0))
        mask = columns < lengths[:, None]  # (B, T)
        ids = np.full(mask.shape, self.pad, np.int64)
        ids[mask] = self.ids[(starts[:, None] + columns)[mask]]
        return ids, mask


@dataclass(frozen=True)
class CaseArrays:
    """N cases. Only their row numbers are held; all else is looked up by them, a batch at a time.

    Attributes:
        rows: (N,) int64 row numbers of the study table, or of one of questions; case i is row `rows[i]`.
        images: radiographs, or None.
        tokens: texts by row number, or None.
        labels: labels by row number, or None.
        features: pooled image features, in place of radiographs, or None.
        image_rows: (rows of the table,) int64, where `images`, `features` and `masks` hold what a row shows: several
            questions share a radiograph. None where they hold one for each row.
        answers: (rows of the table,) int64 classes of the answers by row number, or None.
        masks: masks of K findings, or None; a view named `image` carries them along.
    """

    rows: np.ndarray
    images: ImageReader | None = None
    tokens: TokenReader | None = None
    labels: LabelReader | None = None
    features: FeatureReader | None = None
    image_rows: np.ndarray | None = None
    answers: np.ndarray | None = None
    masks: MaskReader | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def shown(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (B,) -> (B,) int64, by which `images`, `features` and `masks` are asked."""
        return rows if self.image_rows is None else self.image_rows[rows]

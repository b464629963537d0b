"""Masks of a table's images on disk, in the geometry of the decoded-image store: run lengths, opened by memory map.

A mask of 512 x 512 pixels has some hundred runs, and one without a pixel none, so that all masks of a dataset take
less room than one shard of its radiographs, and are made into pixels again faster than they could be read.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medvl.errors import DataError

MASKED = "image"  # the view that masks travel with
RUNS, OFFSETS, RECORD = "runs.npy", "offsets.npy", "masks.json"


class MaskStore:
    """Masks by row number; `medvl.data.mask_build.build_masks` makes it.

    Args:
        folder: holds `runs.npy` (total,) uint32, `offsets.npy` (N * K + 1,) int64 and `masks.json`.

    Attributes:
        names: of the K findings, in order.
        side: S, pixels.
        lost: how many masks have pixels in the image as distributed, and none at this side.

    Raises:
        DataError: unfinished; says to build it again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            self._runs: npt.NDArray[np.uint32] = np.load(folder / RUNS, mmap_mode="r")
            self._offsets: npt.NDArray[np.int64] = np.load(folder / OFFSETS, mmap_mode="r")
        except (FileNotFoundError, ValueError):
            raise DataError(f"{folder}: is not a finished mask store. do: build it") from None
        self.names: tuple[str, ...] = tuple(record["names"])
        self.side: int = record["side"]
        self.lost: int = record["lost"]

    def __len__(self) -> int:
        return (len(self._offsets) - 1) // len(self.names)

    def read(self, rows: np.ndarray) -> npt.NDArray[np.bool_]:
        """Row numbers (B,) int64 -> (B, K, S, S) bool; of an image that could not be read all False."""
        found = np.zeros((len(rows), len(self.names), self.side**2), bool)
        for image, row in enumerate(rows.tolist()):
            for label in range(len(self.names)):
                place = row * len(self.names) + label
                fill_runs(self._runs[self._offsets[place] : self._offsets[place + 1]], found[image, label])
        return found.reshape(len(rows), len(self.names), self.side, self.side)

    def notes(self) -> list[str]:
        """What a reader of results must know: small masks that scaling has taken away."""
        if not self.lost:
            return []
        return [
            f"{self.lost} masks are too small to have a pixel left at {self.side} pixels a side; they count as empty"
        ]


def to_runs(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
    """bool (H, W) -> where runs of True begin and end, alternately, counted row by row; nothing for an empty mask."""
    flat = np.concatenate([[False], mask.ravel(), [False]])
    return np.flatnonzero(flat[1:] != flat[:-1]).astype(np.uint32)


def fill_runs(runs: npt.NDArray[np.uint32], flat: npt.NDArray[np.bool_]) -> None:
    """Set the pixels of these runs in a flat mask that is False so far."""
    for start, end in runs.reshape(-1, 2).tolist():
        flat[start:end] = True

"""Features of a table's rows on disk: each row encoded once, appended in parts, opened by memory map."""

from __future__ import annotations

import json
import logging
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np

from medvl.files import write_atomic, write_text_atomic

ROW, VALUE = np.dtype("<i8"), np.dtype("<f4")
PART, RECORD = ".f32", ".json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Record:
    """What declares a part finished: number of rows and CRC-32 of its bytes."""

    rows: int
    crc32: int


class FeatureStore:
    """Features by row number. Rows come as they are asked for, so a part holds (n,) int64 rows and then (n, D) float32.

    A part is written aside, synced, renamed and then recorded. One that is damaged is thrown away, and its rows are
    missing again. Only one process at a time may `append` (`medvl.lock.hold`); any number may read.

    Args:
        folder: of the parts; made by the first.
        rows: number of rows of the table.
        width: D.
    """

    def __init__(self, folder: Path, rows: int, width: int) -> None:
        self.folder, self.rows, self.width = folder, rows, width
        self.refresh()

    def refresh(self) -> None:
        """Take up what other processes have appended."""
        self._parts: list[np.ndarray] = []
        self._part_of = np.full(self.rows, -1, np.int32)
        self._place_in = np.zeros(self.rows, np.int32)
        for record in sorted(self.folder.glob(f"*{RECORD}")):
            self._open(record.with_suffix(PART))

    def missing(self, rows: np.ndarray) -> np.ndarray:
        """Those of (n,) row numbers that have no feature yet, ascending, each once."""
        return np.unique(rows[self._part_of[rows] < 0])

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (B,) int64 -> (B, D) float32.

        Raises:
            IndexError: one that is missing.
        """
        parts = self._part_of[rows]
        if (parts < 0).any():
            raise IndexError(f"row {rows[parts < 0][0]} has no feature in {self.folder}")
        found = np.empty((len(rows), self.width), VALUE)
        for part in np.unique(parts):
            here = parts == part
            found[here] = self._parts[part][self._place_in[rows[here]]]
        return found

    def append(self, rows: np.ndarray, features: np.ndarray) -> None:
        """Keep the features (n, D) float32 of (n,) rows.

        Raises:
            OSError: the disk is full or cannot be written.
        """
        path = self.folder / f"{uuid4().hex}{PART}"
        pieces = [np.ascontiguousarray(rows, ROW).tobytes(), np.ascontiguousarray(features, VALUE).tobytes()]

        def write(file: BinaryIO) -> None:
            for piece in pieces:
                file.write(piece)

        write_atomic(path, write)
        record = _Record(len(rows), zlib.crc32(pieces[1], zlib.crc32(pieces[0])))
        write_text_atomic(path.with_suffix(RECORD), json.dumps(asdict(record)))
        self._open(path)

    def _open(self, path: Path) -> None:
        try:
            record = _Record(**json.loads(path.with_suffix(RECORD).read_text(encoding="utf-8")))
            content = np.asarray(np.memmap(path, np.uint8, "r"))
        except (OSError, ValueError, TypeError):
            content, record = np.empty(0, np.uint8), _Record(0, -1)
        ends = record.rows * ROW.itemsize
        whole = len(content) == ends + record.rows * self.width * VALUE.itemsize
        if not whole or zlib.crc32(content.data) != record.crc32:
            log.warning("%s: is damaged; its features are computed again", path)
            path.with_suffix(RECORD).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            return
        rows = content[:ends].view(ROW)
        self._part_of[rows], self._place_in[rows] = len(self._parts), np.arange(record.rows)
        self._parts.append(np.asarray(content[ends:].view(VALUE).reshape(record.rows, self.width)))

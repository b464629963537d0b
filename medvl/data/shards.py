"""The files of the decoded-image store: shards of raw pixels, each with a record that declares it finished.

A shard holds (images, side, side) uint8 and behind them (images,) uint64, little endian: a hash of each image's pixels.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from medvl.files import write_text_atomic

SHARD_IMAGES = 2048
HASH = np.dtype("<u8")
RECORD = ".json"

Bad = tuple[int, str, str]  # row, reference, reason

log = logging.getLogger(__name__)


@dataclass
class Shard:
    """The record of a finished shard: number of images, CRC-32 of its bytes, the images that could not be read."""

    images: int
    crc32: int
    bad: list[Bad] = field(default_factory=list)


def shard_count(images: int) -> int:
    """Number of shards of a store."""
    return -(-images // SHARD_IMAGES)


def shard_size(images: int, side: int) -> int:
    """Bytes of a shard."""
    return images * (side * side + HASH.itemsize)


def shard_path(folder: Path, number: int) -> Path:
    """The file of a shard, without a header; its record stands beside it (.json)."""
    return folder / f"shard-{number:05d}.u8"


def open_shard(folder: Path, number: int, images: int, side: int) -> np.ndarray:
    """(images, side, side) uint8, memory-mapped read-only."""
    return np.asarray(np.memmap(shard_path(folder, number), np.uint8, "r", shape=(images, side, side)))


def read_hashes(folder: Path, number: int, images: int, side: int) -> np.ndarray:
    """(images,) uint64, see `pixel_hash`; 0 for an image that could not be read."""
    return np.fromfile(shard_path(folder, number), HASH, images, offset=images * side * side)


def pixel_hash(pixels: np.ndarray) -> int:
    """64 bits that are equal for equal pixels, never 0."""
    digest = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=HASH.itemsize)
    return int.from_bytes(digest.digest()) or 1


class NewShard:
    """A shard that is being written, zeros at first.

    The room is taken at once: on a full disk, writing to a map would end the process instead of raising `OSError`.

    Args:
        path: a file aside.
        images: how many.
        side: their pixels.

    Raises:
        OSError: no room.
    """

    def __init__(self, path: Path, images: int, side: int) -> None:
        size, ends = shard_size(images, side), images * side * side
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        self.path, self._content = path, np.memmap(path, np.uint8, "r+")
        self._pixels = self._content[:ends].reshape(images, side, side)
        self._hashes = self._content[ends:].view(HASH)

    def put(self, place: int, pixels: np.ndarray) -> None:
        """Write an image (side, side); threads may, each its own places."""
        self._pixels[place] = pixels
        self._hashes[place] = pixel_hash(pixels)

    def finish(self, path: Path) -> int:
        """Bring it to the disk, move it to its place, and give its checksum.

        The record of a shard that stood there goes first, so that it never speaks of other bytes.
        """
        crc = checksum(self._content)
        self._content.flush()
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        path.with_suffix(RECORD).unlink(missing_ok=True)
        self.path.replace(path)
        return crc


def write_record(folder: Path, number: int, record: Shard) -> None:
    """Declare a shard finished: whatever has no record is built again."""
    write_text_atomic(shard_path(folder, number).with_suffix(RECORD), json.dumps(asdict(record)))


def read_record(folder: Path, number: int, side: int) -> Shard | None:
    """A shard's record; None where the shard is unfinished, or damaged so that its record or size shows it."""
    path = shard_path(folder, number)
    try:
        content = json.loads(path.with_suffix(RECORD).read_text(encoding="utf-8"))
        record = Shard(**{**content, "bad": [(row, reference, reason) for row, reference, reason in content["bad"]]})
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        log.warning("%s: its record cannot be read; it will be built again", path)
        return None
    needed = shard_size(record.images, side)
    if size != needed:
        log.warning("%s: has %d bytes where %d belong; it will be built again", path, size, needed)
        return None
    return record


def intact(folder: Path, number: int, side: int) -> bool:
    """Whether a shard's bytes still have the checksum of its record."""
    record = read_record(folder, number, side)
    return record is not None and checksum(np.memmap(shard_path(folder, number), np.uint8, "r")) == record.crc32


def checksum(pixels: np.ndarray) -> int:
    """CRC-32 of a C-contiguous array's bytes."""
    return zlib.crc32(pixels.reshape(-1).data)

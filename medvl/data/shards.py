"""The files of the decoded-image store: shards of raw pixels, each with a record that declares it finished."""

from __future__ import annotations

import json
import logging
import os
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from medvl.files import write_text_atomic

SHARD_IMAGES = 2048

Bad = tuple[int, str, str]  # row, reference, reason

log = logging.getLogger(__name__)


@dataclass
class Shard:
    """The record of a finished shard: number of images, CRC-32 of the pixels, the images that could not be read."""

    images: int
    crc32: int
    bad: list[Bad] = field(default_factory=list)


def shard_count(images: int) -> int:
    """Number of shards of a store."""
    return -(-images // SHARD_IMAGES)


def shard_path(folder: Path, number: int) -> Path:
    """The pixels of a shard, (images, side, side) uint8 without a header; its record stands beside it (.json)."""
    return folder / f"shard-{number:05d}.u8"


def open_shard(folder: Path, number: int, images: int, side: int) -> np.ndarray:
    """(images, side, side) uint8, memory-mapped read-only."""
    return np.asarray(np.memmap(shard_path(folder, number), np.uint8, "r", shape=(images, side, side)))


def new_shard(path: Path, images: int, side: int) -> np.memmap:
    """A writable (images, side, side) uint8 map of a new file.

    The room is taken at once: on a full disk, writing to a map would end the process instead of raising `OSError`.
    """
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, images * side * side)
        else:
            file.truncate(images * side * side)
    return np.memmap(path, np.uint8, "r+", shape=(images, side, side))


def sync(pixels: np.memmap, path: Path) -> None:
    """Bring a map's pixels to the disk, so that a rename cannot outrun them."""
    pixels.flush()
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_record(folder: Path, number: int, record: Shard) -> None:
    """Declare a shard finished: whatever has no record is built again."""
    write_text_atomic(shard_path(folder, number).with_suffix(".json"), json.dumps(asdict(record)))


def read_record(folder: Path, number: int, side: int) -> Shard | None:
    """A shard's record; None where the shard is unfinished, or damaged so that its record or size shows it."""
    path = shard_path(folder, number)
    try:
        content = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        record = Shard(**{**content, "bad": [(row, reference, reason) for row, reference, reason in content["bad"]]})
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        log.warning("%s: its record cannot be read; it will be built again", path)
        return None
    if size != record.images * side * side:
        log.warning("%s: has %d bytes where %d belong; it will be built again", path, size, record.images * side**2)
        return None
    return record


def intact(folder: Path, number: int, side: int) -> bool:
    """Whether a shard's bytes still have the checksum of its record."""
    record = read_record(folder, number, side)
    return record is not None and checksum(open_shard(folder, number, record.images, side)) == record.crc32


def checksum(pixels: np.ndarray) -> int:
    """CRC-32 of a C-contiguous array's bytes."""
    return zlib.crc32(pixels.reshape(-1).data)

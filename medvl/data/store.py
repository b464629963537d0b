"""The decoded-image store: every image decoded once, scaled to one side, kept as uint8 in memory-mapped shards."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from medvl.data.bad_images import BadImages
from medvl.data.dataset import Dataset
from medvl.data.decode import Decode
from medvl.data.scaling import Fit
from medvl.data.shards import SHARD_IMAGES, intact, open_shard, read_hashes, read_record, shard_count, shard_path
from medvl.data.store_build import MANIFEST, PIXELS, Builder, Progress
from medvl.errors import DataError
from medvl.lock import hold

BAD_IMAGES = "bad_images.csv"
ALIGNMENT = 64  # bytes; rows copied to an unaligned buffer take more than twice as long

log = logging.getLogger(__name__)


def build_store(
    dataset: Dataset,
    references: Sequence[str] | pa.Array | pa.ChunkedArray,
    *,
    side: int,
    fit: Fit,
    folder: Path,
    decode: Decode | None = None,
    max_bad: float = 0.01,
    workers: int | None = None,
    progress: Progress | None = None,
    verify: bool = False,
) -> ImageStore:
    """Decode what is not decoded yet and open the store.

    The store's own folder, inside `folder`, is named by the images' fingerprint, the references, side, fit and decode
    settings, so a changed dataset gets a new store. A shard is written aside, synced, renamed and then recorded: after
    a kill at any moment the next call does the shard in hand again and nothing else. Two processes may call at once;
    one builds.

    Args:
        dataset: decodes, in several threads at once.
        references: of all rows of the study table, in order.
        side: pixels of the stored squares.
        fit: see `medvl.data.scaling.square`.
        folder: where stores are kept (`medvl.data.cache.cache_folder("images")`).
        decode: how files become pixels, where there is a choice; the defaults where None.
        max_bad: largest share of unreadable images that is left out (`store.good`); 0 makes any an error.
        workers: decoding threads; the processors of this process where None.
        progress: called in this thread with (images done, images in all).
        verify: check every shard's checksum first and build damaged ones again.

    Raises:
        DataError: too many missing or unreadable images (names the first, and the CSV with all); no room on the disk.
    """
    column = references if isinstance(references, pa.Array | pa.ChunkedArray) else pa.array(references, pa.string())
    decode = decode or Decode()
    folder = folder / _key(dataset, column, side, fit, decode)
    policy = BadImages(len(column), max_bad, folder / BAD_IMAGES)
    store = None if verify else _finished(folder, policy)
    if store is None:
        with hold(folder, wait=True):
            store = None if verify else _finished(folder, policy)  # another process may have built it meanwhile
            if store is None:
                Builder(dataset, column, side, fit, decode, folder, policy).run(workers, progress, verify)
                store = ImageStore(folder)
    if not store.good.all():
        log.warning("%d of %d images cannot be read and are left out: %s", (~store.good).sum(), len(store), policy.path)
    return store


def stores_of(dataset: Dataset, references: pa.Array | pa.ChunkedArray, folder: Path) -> list[Path]:
    """Folders of the stores that were built, or begun, of exactly these images, whatever their side and fit."""
    same = _key(dataset, references, 0, "crop").partition("-")[0]
    return sorted(folder.glob(f"{same}-*"))


def finished_store(dataset: Dataset, references: pa.Array | pa.ChunkedArray, folder: Path) -> ImageStore | None:
    """The finished store of exactly these images that has the largest side; None where there is none."""
    finished = []
    for path in stores_of(dataset, references, folder):
        with suppress(DataError):
            finished.append(ImageStore(path))
    return max(finished, key=lambda store: store.side, default=None)


def _key(
    dataset: Dataset, column: pa.Array | pa.ChunkedArray, side: int, fit: Fit, decode: Decode | None = None
) -> str:
    digest = hashlib.blake2b(f"{PIXELS} {dataset.image_fingerprint()}".encode(), digest_size=8)
    for start in range(0, len(column), SHARD_IMAGES):
        digest.update("\0".join(column.slice(start, SHARD_IMAGES).to_pylist()).encode())
    settings = [str(side), fit, decode.tag if decode is not None else ""]
    return "-".join([digest.hexdigest(), *filter(None, settings)])


def _finished(folder: Path, policy: BadImages) -> ImageStore | None:
    """The store where it is whole and its bad images are few enough; nothing is written, so it may be read-only."""
    try:
        store = ImageStore(folder)
    except DataError:
        return None
    return None if (~store.good).sum() > policy.max_bad * policy.images else store


class ImageStore:
    """A finished store, opened for reading; `build_store` makes it.

    Args:
        folder: holds `manifest.json`, `shard-00000.u8`, ... and their records.

    Attributes:
        side: pixels.
        good: (N,) bool, False where the image could not be read; its pixels are then 0.

    Raises:
        DataError: unfinished, or a shard is missing or of the wrong size; says to build it again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"{folder}: is not a finished image store. do: build it") from None
        self.side: int = manifest["side"]
        self.good = np.ones(manifest["images"], bool)
        self._shards: list[np.ndarray] = []
        for number in range(shard_count(len(self.good))):
            record = read_record(folder, number, self.side)
            if record is None:
                raise DataError(f"{shard_path(folder, number)}: is missing or cut short. do: build the store again")
            self._shards.append(open_shard(folder, number, record.images, self.side))
            self.good[[row for row, _, _ in record.bad]] = False

    def __len__(self) -> int:
        return len(self.good)

    @cached_property
    def hashes(self) -> np.ndarray:
        """(N,) uint64: equal where the stored pixels are equal, 0 where the image could not be read.

        Two files of the same picture differ in it where they were compressed differently.
        """
        parts = [read_hashes(self.folder, number, len(shard), self.side) for number, shard in enumerate(self._shards)]
        return np.concatenate([np.empty(0, np.uint64), *parts])

    @property
    def bad_file(self) -> Path:
        """A CSV of the images that could not be read: row, reference, reason."""
        return self.folder / BAD_IMAGES

    def read(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Gather images, in the order of `rows`. Sorted rows are copied once, at the speed of memory; others twice.

        Args:
            rows: (B,) int64, each in [0, len).
            out: a C-contiguous uint8 buffer (B, side, side) to fill, e.g. pinned memory; allocated where None.

        Returns:
            uint8 (B, side, side).

        Raises:
            IndexError: a row out of range.
        """
        rows = np.asarray(rows, np.int64)
        if out is None:
            out = aligned_empty((len(rows), self.side, self.side))
        if len(rows) == 0:
            return out
        if not 0 <= int(rows.min()) <= int(rows.max()) < len(self):
            raise IndexError(f"rows {rows.min()}..{rows.max()} asked of a store of {len(self)} images")
        if (np.diff(rows // SHARD_IMAGES) >= 0).all():
            for shard, local, part in self._parts(rows):
                np.take(shard, local, axis=0, out=out[part], mode="clip")  # "raise" would copy twice
        else:
            order = np.argsort(rows, kind="stable")
            for shard, local, part in self._parts(rows[order]):
                out[order[part]] = shard[local]
        return out

    def _parts(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, slice]]:
        """Of rows that go through the shards in order: each shard, the places asked of it, and which rows these are."""
        numbers, starts = np.unique(rows // SHARD_IMAGES, return_index=True)
        for number, start, end in zip(numbers, starts, [*starts[1:], len(rows)], strict=True):
            yield self._shards[number], rows[start:end] - number * SHARD_IMAGES, slice(start, end)

    def verify(self) -> list[Path]:
        """Read every shard and give those that differ from their checksum; `build_store(verify=True)` mends them."""
        numbers = range(len(self._shards))
        return [shard_path(self.folder, number) for number in numbers if not intact(self.folder, number, self.side)]


def aligned_empty(shape: tuple[int, ...]) -> np.ndarray:
    """An uninitialised uint8 array that starts at a multiple of `ALIGNMENT` bytes."""
    size = int(np.prod(shape, dtype=np.int64))
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].reshape(shape)

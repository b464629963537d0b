"""Building the decoded-image store: threads decode, finished shards are never decoded again, bad images are named."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow as pa

import medvl
from medvl.data.bad_images import BadImages
from medvl.data.dataset import Dataset
from medvl.data.decode import Decode
from medvl.data.scaling import Fit, resize
from medvl.data.shards import (
    SHARD_IMAGES,
    Bad,
    NewShard,
    Shard,
    intact,
    read_record,
    shard_count,
    shard_path,
    shard_size,
    write_record,
)
from medvl.errors import DataError
from medvl.files import write_text_atomic

MANIFEST = "manifest.json"
CHUNK = 16  # images that one thread decodes at a time; at a shard's end, threads wait for the last of them
PIXELS = 2  # raise when reading or scaling gives other pixels than before: stores are then built anew

DECODERS = ("pillow", "pydicom", "imagecodecs", "pylibjpeg-openjpeg", "pylibjpeg-rle", "pyjpegls", "python-gdcm")

Progress = Callable[[int, int], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Builder:
    """Builds one store's folder; `medvl.data.store.build_store` is the way in and holds the folder's lock."""

    dataset: Dataset
    references: pa.Array | pa.ChunkedArray
    side: int
    fit: Fit
    decode: Decode
    folder: Path
    policy: BadImages

    def run(self, workers: int | None, progress: Progress | None, verify: bool) -> None:
        """Bring the folder to a finished store; parameters and errors as of `build_store`."""
        total = len(self.references)
        shards = self._kept(verify)
        todo = [number for number in range(shard_count(total)) if number not in shards]
        (self.folder / MANIFEST).unlink(missing_ok=True)
        self._require_files()
        self._require_room(todo)
        done = sum(shard.images for shard in shards.values())
        with ThreadPoolExecutor(workers or _processors(), thread_name_prefix="medvl-decode") as pool:
            for number in todo:
                tell = None if progress is None else partial(_tell, progress, done, total)
                shards[number] = self._shard(pool, number, _bad_of(shards), tell)
                done += shards[number].images
        self._finish(shards)

    def _kept(self, verify: bool) -> dict[int, Shard]:
        """Records of the finished shards that need not be built again."""
        shards = {}
        for number in range(shard_count(len(self.references))):
            record = read_record(self.folder, number, self.side)
            if record is not None and verify and not intact(self.folder, number, self.side):
                log.warning("%s: differs from its checksum; it is built again", shard_path(self.folder, number))
                record = None
            if record is not None:
                shards[number] = record
        if self.policy.too_many(_bad_of(shards)):
            # What would be refused is tried again: a decoder may have been installed since.
            shards = {number: shard for number, shard in shards.items() if not shard.bad}
        return shards

    def _slice(self, number: int) -> list[str]:
        return self.references.slice(number * SHARD_IMAGES, SHARD_IMAGES).to_pylist()

    def _shard(
        self, pool: ThreadPoolExecutor, number: int, bad_before: list[Bad], tell: Callable[[int], None] | None
    ) -> Shard:
        """Decode a shard into a file aside, then rename it and record it."""
        references, first = self._slice(number), number * SHARD_IMAGES
        path = shard_path(self.folder, number)
        new = NewShard(path.with_suffix(".tmp"), len(references), self.side)
        reader = self.dataset.for_store(self.side, self.fit, self.decode)
        decode = partial(self._chunk, new, reader, references)
        bad: list[Bad] = []
        starts = range(0, len(references), CHUNK)
        try:
            for start, worse in zip(starts, pool.map(decode, starts), strict=True):
                bad += [(first + place, references[place], reason) for place, reason in worse]
                self.policy.check(
                    bad_before + bad, "images cannot be read (the rest was not tried)", "mend what is said of them"
                )
                if tell is not None:
                    tell(min(start + CHUNK, len(references)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        shard = Shard(len(references), new.finish(path), bad)
        write_record(self.folder, number, shard)
        return shard

    def _chunk(self, new: NewShard, reader: Dataset, references: list[str], start: int) -> list[tuple[int, str]]:
        """Decode `CHUNK` images into their places; gives (place, reason) of those that cannot be read."""
        bad = []
        for place, image in enumerate(reader.read_images(references[start : start + CHUNK]), start):
            if isinstance(image, Exception):
                bad.append((place, " ".join(str(image).split()) or type(image).__name__))
            else:
                new.put(place, resize(image, self.side, self.fit))
        return bad

    def _require_files(self) -> None:
        """Missing files are found, and judged, before anything is decoded."""
        bad: list[Bad] = []
        for number in range(shard_count(len(self.references))):
            references = self._slice(number)
            missing = self.dataset.missing(references)
            bad += [
                (number * SHARD_IMAGES + place, references[place], f"{references[place]}: missing") for place in missing
            ]
        self.policy.check(bad, "image files are missing", "check the folder that the paths are relative to")

    def _require_room(self, todo: list[int]) -> None:
        images = sum(min(SHARD_IMAGES, len(self.references) - number * SHARD_IMAGES) for number in todo)
        needed, free = shard_size(images, self.side), shutil.disk_usage(self.folder).free
        if needed > free:
            raise DataError(
                f"{self.folder}: {images} images of {self.side} pixels need {needed / 1e9:.1f} GB and the disk has "
                f"{free / 1e9:.1f} GB left. do: make room, set MEDVL_CACHE to a larger disk, or ask for smaller images"
            )

    def _finish(self, shards: dict[int, Shard]) -> None:
        ordered = [shards[number] for number in sorted(shards)]
        self.policy.write(_bad_of(shards))
        manifest = {
            "medvl": medvl.__version__,
            "decoders": {name: found for name in DECODERS if (found := _version(name)) is not None},
            "pixels": PIXELS,
            "images": len(self.references),
            "side": self.side,
            "fit": self.fit,
            "decode": self.decode.plain(),
            "bad": sum(len(shard.bad) for shard in ordered),
            "crc32": [shard.crc32 for shard in ordered],
        }
        write_text_atomic(self.folder / MANIFEST, json.dumps(manifest, indent=1))


def _bad_of(shards: dict[int, Shard]) -> list[Bad]:
    return [bad for number in sorted(shards) for bad in shards[number].bad]


def _tell(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

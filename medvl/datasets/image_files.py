"""What datasets of image files share: decoding, missing files, and a fingerprint of everything on the disk."""

from __future__ import annotations

import copy
import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medvl.data.dataset import IMAGE, Dataset
from medvl.data.decode import Decode
from medvl.data.images import prepare_image, read_image
from medvl.data.scaling import Fit
from medvl.data.study_table import open_table

if TYPE_CHECKING:
    import pyarrow as pa

STAT_THREADS, STAT_CHUNK = 16, 1024  # asking a network file system for a file's size waits, so many ask at once
STAT_ROWS = 1 << 16  # references that are Python strings at a time


class ImageFiles(Dataset):
    """A dataset whose images are files below one folder, and whose table is built from index files.

    A reader gives `index_files`, `settings` and `build_table`; where a reference is not the path below `root`, it
    overrides `image_path`.

    Attributes:
        root: the folder that references are relative to.
    """

    root: Path
    _kept: tuple[int, Fit, Decode] | None = None  # the squares that a store asks for

    @abstractmethod
    def index_files(self) -> Sequence[Path]:
        """The files that `build_table` reads; those that are not there are left out of the fingerprint.

        A folder stands for the names in it, not for what the files hold.
        """

    @abstractmethod
    def settings(self) -> tuple[object, ...]:
        """The parameters that decide what the table holds; their `repr` goes into the fingerprint."""

    @abstractmethod
    def build_table(self) -> pa.Table:
        """The canonical study table, from the index files. See `Dataset.table`."""

    def image_path(self, reference: str) -> Path:
        """The file of a reference."""
        return self.root / reference

    def table(self) -> pa.Table:
        """See `Dataset.table`."""
        return self.build_table()

    def read_image(self, reference: str) -> np.ndarray:
        """See `Dataset.read_image`."""
        path = self.image_path(reference)
        return read_image(path) if self._kept is None else prepare_image(path, *self._kept)

    def for_store(self, side: int, fit: Fit, decode: Decode) -> ImageFiles:
        """See `Dataset.for_store`: images come as finished squares."""
        reader = copy.copy(self)
        reader._kept = (side, fit, decode)
        return reader

    def missing(self, references: list[str]) -> list[int]:
        """See `Dataset.missing`."""
        return np.flatnonzero(self._stamps(references)[:, 0] < 0).tolist()

    def fingerprint(self) -> str:
        """See `Dataset.fingerprint`: the index files' bytes, how they are read, and every image's size and time."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.blake2b(repr((type(self).__name__, *self.settings())).encode(), digest_size=8)
        for path in self.index_files():
            if path.is_file():
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "blake2b").digest())
        digest.update(self.image_fingerprint().encode())
        return digest.hexdigest()

    def image_fingerprint(self) -> str:
        """See `Dataset.image_fingerprint`: every image's size and time."""
        return self._image_fingerprint

    @cached_property
    def _image_fingerprint(self) -> str:
        digest = hashlib.blake2b(type(self).__name__.encode(), digest_size=8)
        images = open_table(self).column(IMAGE)
        for start in range(0, len(images), STAT_ROWS):
            digest.update(self._stamps(images.slice(start, STAT_ROWS).to_pylist()).tobytes())
        return digest.hexdigest()

    def table_fingerprint(self) -> str:
        """See `Dataset.table_fingerprint`: the settings, and where the index files lie, their sizes and times."""
        digest = hashlib.blake2b(repr((type(self).__name__, *self.settings())).encode(), digest_size=8)
        for path in self.index_files():
            digest.update(repr((str(path), _stamp(path))).encode())
        return digest.hexdigest()

    def _stamps(self, references: list[str]) -> np.ndarray:
        """(N, 2) int64: size in bytes and time of change in ns of each file, -1 where there is none."""
        chunks = [references[start : start + STAT_CHUNK] for start in range(0, len(references), STAT_CHUNK)]
        with ThreadPoolExecutor(STAT_THREADS) as pool:
            stamps = [
                stamp[:2]
                for chunk in pool.map(lambda c: [_stamp(self.image_path(name)) for name in c], chunks)
                for stamp in chunk
            ]
        return np.array(stamps, np.int64).reshape(-1, 2)


def _stamp(path: Path) -> tuple[int, int, int]:
    """Size in bytes, and times in ns of the last change of content and of any change; -1 where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return -1, -1, -1
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns

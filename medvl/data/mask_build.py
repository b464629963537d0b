"""Building the mask store: threads read and scale masks as their radiographs are scaled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medvl.data.dataset import Dataset
from medvl.data.masks import OFFSETS, RECORD, RUNS, MaskStore, to_runs
from medvl.data.scaling import Fit, resize
from medvl.data.store_build import Progress
from medvl.errors import DataError
from medvl.files import write_atomic, write_text_atomic
from medvl.lock import hold

FORMAT = 1  # raise when reading or scaling gives other masks than before
CHUNK = 16  # images that a thread reads at a time
HALF = 128  # of 255: a pixel belongs to the mask where at least half of it did

Runs = npt.NDArray[np.uint32]


def build_masks(
    dataset: Dataset,
    references: pa.Array | pa.ChunkedArray,
    names: Sequence[str],
    *,
    side: int,
    fit: Fit,
    good: npt.NDArray[np.bool_],
    folder: Path,
    progress: Progress | None = None,
) -> MaskStore:
    """Read the masks of all images that are not read yet and open the store.

    Its own folder, inside `folder`, is named by the masks' fingerprint and all that is asked. Two processes may call
    at once; one builds.

    Args:
        dataset: reads masks, in several threads at once.
        references: of all rows of the study table, in order.
        names: findings, of `dataset.masks`.
        side, fit: of the decoded images, see `medvl.data.scaling.square`.
        good: (N,) False for images that could not be read; their masks are not asked for.
        folder: where mask stores are kept (`medvl.data.cache.cache_folder("masks")`).
        progress: called in this thread with (images done, images in all).

    Raises:
        DataError: a mask that cannot be read, with its reason: training on it as if it were empty would be silent.
    """
    column = references.combine_chunks() if isinstance(references, pa.ChunkedArray) else references
    folder = folder / _key(dataset, column, names, side, fit, good)
    if not (folder / RECORD).is_file():
        with hold(folder, wait=True):
            if not (folder / RECORD).is_file():  # another process may have built it meanwhile
                _build(partial(_runs_of, dataset, tuple(names), side, fit), column, names, side, good, folder, progress)
    return MaskStore(folder)


def _key(
    dataset: Dataset, column: pa.Array, names: Sequence[str], side: int, fit: Fit, good: npt.NDArray[np.bool_]
) -> str:
    asked = repr((FORMAT, dataset.mask_fingerprint(), tuple(names), side, fit))
    digest = hashlib.blake2b(asked.encode(), digest_size=8)
    digest.update("\0".join(column.to_pylist()).encode())
    digest.update(np.packbits(good).tobytes())
    return f"{digest.hexdigest()}-{side}-{fit}"


def _build(
    read: Callable[[list[str]], tuple[list[Runs], int]],
    column: pa.Array,
    names: Sequence[str],
    side: int,
    good: npt.NDArray[np.bool_],
    folder: Path,
    progress: Progress | None,
) -> None:
    found = [np.empty(0, np.uint32)] * (len(column) * len(names))
    lost = 0
    rows = np.flatnonzero(good)
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    with ThreadPoolExecutor(thread_name_prefix="medvl-masks") as pool:
        told = pool.map(lambda chunk: read(column.take(pa.array(chunk)).to_pylist()), chunks)
        try:
            for number, (chunk, (runs, missed)) in enumerate(zip(chunks, told, strict=True), 1):
                for place, row in enumerate(chunk.tolist()):
                    found[row * len(names) : (row + 1) * len(names)] = runs[place * len(names) :][: len(names)]
                lost += missed
                if progress is not None:
                    progress(min(number * CHUNK, len(rows)), len(rows))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    offsets = np.concatenate([[0], np.cumsum([len(runs) for runs in found])]).astype(np.int64)
    joined = np.concatenate([np.empty(0, np.uint32), *found])
    write_atomic(folder / RUNS, lambda file: np.save(file, joined))
    write_atomic(folder / OFFSETS, lambda file: np.save(file, offsets))
    # the record comes last: it declares the store finished
    write_text_atomic(folder / RECORD, json.dumps({"names": list(names), "side": side, "lost": lost}))


def _runs_of(
    dataset: Dataset, names: Sequence[str], side: int, fit: Fit, references: list[str]
) -> tuple[list[Runs], int]:
    """The runs of each finding of each image, and how many masks lost their last pixel."""
    masks = [_masks(dataset, references, name) for name in names]
    runs, lost = [], 0
    for of_image in zip(*masks, strict=True):
        for mask in of_image:
            kept = to_runs(resize(mask.astype(np.uint8) * 255, side, fit) >= HALF)
            lost += int(mask.any() and not len(kept))
            runs.append(kept)
    return runs, lost


def _masks(dataset: Dataset, references: list[str], name: str) -> list[npt.NDArray[np.bool_]]:
    try:
        return dataset.read_masks(references, name)
    except DataError as error:
        raise DataError(
            f"a mask of '{name}' cannot be read: {error}. do: mend it, or select images whose masks are known"
        ) from error

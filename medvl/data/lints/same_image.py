"""Lint: the same image under two references, found by the bytes of its file or by the pixels that are stored of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from medvl.data.dataset import IMAGE, SPLITS, SplitBy
from medvl.data.lints.finding import SAME_IMAGE, SHOWN, Finding, Severity
from medvl.data.patients import id_hash, patients_of

THREADS = 16  # reading from a network file system waits, so many read at once
PIECE = 4096  # bytes
UNKNOWN = -1

Tell = Callable[[int, int], None]


def file_contents(paths: list[Path], tell: Tell | None = None) -> np.ndarray:
    """(N,) int64: equal numbers for files of equal bytes; `UNKNOWN` where there is no file.

    Of files that share their size a piece of the middle is read, and all of those that share that too.

    Args:
        paths: of the images, in the order of the study table.
        tell: called with (files done, files in all) while pieces are read, which takes longest.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        sizes = np.fromiter(pool.map(_size, paths), np.int64, len(paths))
        contents = _refined(sizes, sizes >= 0, lambda row: _piece(paths[row], int(sizes[row])), pool, tell)
        contents = _refined(contents, sizes >= 0, lambda row: _digest(paths[row]), pool, None)
    return np.where(sizes < 0, UNKNOWN, contents)


def stored_contents(hashes: np.ndarray) -> np.ndarray:
    """(N,) int64 as of `file_contents`, from (N,) uint64 hashes of stored pixels (`ImageStore.hashes`).

    It also finds a picture whose files differ, in their headers or by their lossless format.
    """
    numbers = np.unique(hashes, return_inverse=True)[1].astype(np.int64)
    return np.where(hashes == 0, UNKNOWN, numbers)


def _refined(
    groups: np.ndarray, known: np.ndarray, key: Callable[[int], str], pool: ThreadPoolExecutor, tell: Tell | None
) -> np.ndarray:
    """(N,) numbers that tell apart, within groups of several, rows whose key differs; `key` is asked of those alone."""
    _, numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)
    doubtful = np.flatnonzero((counts[numbers] > 1) & known)
    if len(doubtful) == 0:
        return numbers
    keys = []
    for done, found in enumerate(pool.map(key, doubtful.tolist()), 1):
        keys.append(found)
        if tell is not None:
            tell(done, len(doubtful))
    told = np.unique(np.array(keys), return_inverse=True)[1]
    refined = numbers.astype(np.int64) * (len(keys) + 1)
    refined[doubtful] += 1 + told
    return refined


def same_images(
    table: pa.Table, splits: np.ndarray, contents: np.ndarray, split_by: SplitBy = "patient"
) -> list[Finding]:
    """At most two findings: an error for images that stand in two splits, a warning for the other repetitions.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`; rows of -1 are left out.
        contents: (N,) integers, equal for equal images, negative where unknown: of `file_contents`.
        split_by: what the dataset's own split divides; where that is questions, shared images are known and a warning.
    """
    known = np.flatnonzero((contents >= 0) & (splits >= 0))
    _, groups, counts = np.unique(contents[known], return_inverse=True, return_counts=True)
    rows = known[counts[groups] > 1]  # of images that occur again
    if len(rows) == 0:
        return []
    # references that are one image on purpose (a study listed under two names) are images all the same
    _, groups = np.unique(contents[rows], return_inverse=True)
    across = _distinct_in(groups, splits[rows]) > 1
    people = _distinct_in(groups, patients_of(table)[0][rows]) > 1
    found = []
    if across.any():
        told = f"images that stand in two of {', '.join(SPLITS)}: {int(across.sum()):,}"
        do = "take them out of the side that is learned from"
        severity: Severity = "warning" if split_by == "question" else "error"
        found.append(Finding(SAME_IMAGE, severity, told, do, _examples(table, rows, groups, across)))
    if not across.all():
        within = ~across
        told = f"images that are listed more than once within a split: {int(within.sum()):,}"
        strangers = int((within & people).sum())
        if strangers:
            told += f", {strangers:,} of them under several patients"
        do = "keep one row for each image"
        found.append(Finding(SAME_IMAGE, "warning", told, do, _examples(table, rows, groups, within)))
    return found


def _distinct_in(groups: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(G,) how many distinct values each group has."""
    pairs = np.unique(np.stack([groups, values.astype(np.int64)]), axis=1)
    return np.bincount(pairs[0], minlength=int(groups.max()) + 1)


def _examples(table: pa.Table, rows: np.ndarray, groups: np.ndarray, chosen: np.ndarray) -> tuple[str, ...]:
    """The references of some groups, hashed: `a1b2 = c3d4`."""
    column = table.column(IMAGE)
    examples = []
    for group in np.flatnonzero(chosen)[:SHOWN]:
        same = rows[groups == group][:2]
        examples.append(" = ".join(id_hash(column[int(row)].as_py()) for row in same))
    return tuple(examples)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _piece(path: Path, size: int) -> str:
    """The middle of a file: headers are alike, and black corners too."""
    with path.open("rb") as file:
        file.seek(max(0, (size - PIECE) // 2))
        return hashlib.blake2b(file.read(PIECE), digest_size=16).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()

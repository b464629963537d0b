"""Token ids of a table's texts on disk: tokenised once for each tokenizer, opened by memory map in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import tokenizers

from medvl.data.cache import cache_folder
from medvl.data.cases import TokenArrays
from medvl.data.study_table import table_key
from medvl.data.texts import ROWS, Texts
from medvl.files import remove_leftovers, write_atomic
from medvl.lock import hold
from medvl.models.tokenizer import Tokenizer

IDS, OFFSETS = "ids", "offsets.npy"
SMALL = 2**16  # vocabularies up to here have ids of two bytes

Progress = Callable[[int, int], None]


def tokenize(texts: Texts, tokenizer: Tokenizer, progress: Progress | None = None) -> TokenArrays:
    """The token ids of all rows, from the cache folder; made there where this tokenizer has not read these texts yet.

    Two processes may call at once; one tokenises. After a kill the next call begins anew: this takes minutes at most.

    Args:
        texts: of a table that `medvl.data.study_table.open_table` gave.
        tokenizer: its every setting counts.
        progress: called with (rows done, rows in all).
    """
    folder = cache_folder("tokens", _key(texts, tokenizer))
    found = _opened(folder, len(texts), tokenizer)
    if found is None:
        with hold(folder, wait=True):
            found = _opened(folder, len(texts), tokenizer)  # another process may have written it meanwhile
            if found is None:
                remove_leftovers(folder)
                _write(folder, texts, tokenizer, progress)
                found = _opened(folder, len(texts), tokenizer)
    assert found is not None, f"{folder} has just been written"
    return found


def _key(texts: Texts, tokenizer: Tokenizer) -> str:
    digest = hashlib.blake2b(repr((table_key(texts.table), texts.rule, tokenizers.__version__)).encode(), digest_size=8)
    digest.update(tokenizer.backend.to_str().encode())
    return digest.hexdigest()


def _kind(tokenizer: Tokenizer) -> np.dtype:
    return np.dtype("<u2" if tokenizer.size <= SMALL else "<i4")


def _opened(folder: Path, rows: int, tokenizer: Tokenizer) -> TokenArrays | None:
    """The arrays where they are there and whole; the offsets are written last."""
    try:
        offsets = np.asarray(np.load(folder / OFFSETS, mmap_mode="r"))
        # numpy maps no empty file, and asks for its size where none is given
        ids = np.asarray(np.memmap(folder / IDS, _kind(tokenizer), "r")) if offsets[-1] else np.empty(0, np.uint16)
    except (OSError, ValueError):
        return None
    whole = len(offsets) == rows + 1 and len(ids) == offsets[-1]
    return TokenArrays(ids, offsets, tokenizer.pad) if whole else None


def _write(folder: Path, texts: Texts, tokenizer: Tokenizer, progress: Progress | None) -> None:
    lengths = np.empty(len(texts), np.int64)

    def write(file: BinaryIO) -> None:
        for start in range(0, len(texts), ROWS):
            rows = np.arange(start, min(start + ROWS, len(texts)))
            ids, lengths[rows] = _encoded(texts.read(rows), tokenizer)
            file.write(ids.astype(_kind(tokenizer)).tobytes())
            if progress is not None:
                progress(int(rows[-1]) + 1, len(texts))

    write_atomic(folder / IDS, write)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    write_atomic(folder / OFFSETS, lambda file: np.save(file, offsets))


def _encoded(texts: pa.Array, tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """(ids, lengths) of (n,) texts, end to end; equal ones, as of several images of a study, are read once."""
    distinct = texts.dictionary_encode()
    ids, offsets = tokenizer.encode(distinct.dictionary.to_pylist())
    chosen = np.asarray(distinct.indices)
    starts, lengths = offsets[chosen], np.diff(offsets)[chosen]
    places = np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    return ids[places], lengths

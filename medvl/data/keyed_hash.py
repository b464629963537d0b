"""Hashes of ids that a seed fixes for ever: what splits and fractions are drawn by. Whole columns at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from medvl.data.random import keys, mix64

ROWS = 1 << 15  # ids hashed at a time: they stay in a core's cache
_WORD = 8  # bytes


def keyed_hashes(
    ids: pa.Array | pa.ChunkedArray, seed: int, purpose: str, rows: np.ndarray | None = None
) -> np.ndarray:
    """(n,) uint64, uniform, one for each id: a function of the id's bytes, the seed and the purpose alone.

    So an id keeps its place whatever else the table holds, on every machine, and equal ids have equal hashes. The
    id's UTF-8 bytes are taken eight at a time, little end first and padded with zeros; its hash starts from its length
    and absorbs each word by `mix64`. No Python object is made per id: ten million take seconds.

    Args:
        ids: strings.
        seed: of the experiment.
        purpose: what is drawn, so that several draws of one seed have nothing to do with each other.
        rows: (n,) the ids to hash; all where None.
    """
    count = len(ids) if rows is None else len(rows)
    hashes = np.empty(count, np.uint64)
    start_key, end_key = keys(2, "ids", purpose, seed)
    for start in range(0, count, ROWS):
        part = slice(start, start + ROWS)
        piece = ids.slice(start, ROWS) if rows is None else ids.take(pa.array(rows[part]))
        hashes[part] = _hash(*_bytes_of(piece), start_key) ^ end_key
    return mix64(hashes)


def _bytes_of(ids: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """(n + 1,) offsets, and the bytes they point into with a word of zeros behind."""
    array = pa.concat_arrays(ids.chunks) if isinstance(ids, pa.ChunkedArray) else ids
    _, places, data = array.buffers()
    kind = np.int64 if pa.types.is_large_string(array.type) else np.int32
    offsets = np.frombuffer(places, kind, len(array) + 1, array.offset * np.dtype(kind).itemsize).astype(np.int64)
    held = b"" if data is None else memoryview(data)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], np.frombuffer(bytes(held) + bytes(_WORD), np.uint8)


def _hash(offsets: np.ndarray, data: np.ndarray, key: np.uint64) -> np.ndarray:
    starts, lengths = offsets[:-1], np.diff(offsets)
    hashes = mix64(lengths.astype(np.uint64) + key)
    words = np.ndarray(len(data) - _WORD + 1, "<u8", data, strides=(1,))  # the word that starts at each byte
    for place in range(0, int(lengths.max(initial=0)), _WORD):
        here = np.flatnonzero(lengths > place)
        known = np.minimum(lengths[here] - place, _WORD).astype(np.uint64)  # bytes of this word that are the id's
        word = words[starts[here] + place] & (~np.uint64(0) >> np.uint64(8) * (np.uint64(_WORD) - known))
        hashes[here] = mix64(hashes[here] ^ word)
    return hashes

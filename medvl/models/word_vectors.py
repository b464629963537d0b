"""Word vectors from a file in word2vec's formats: those of the words that are wanted, out of a file of any size."""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from medvl.errors import WeightsError

FASTTEXT = (793712314).to_bytes(4, "little")  # what a model of fastText's own begins with
HEADER = 64  # most bytes of the line `COUNT WIDTH`

Entry = tuple[bytes, int, int]  # a word, and where its numbers begin and end


def vector_width(path: str | Path) -> int:
    """D of the vectors in a file, from its first line.

    Raises:
        WeightsError: there is no such file, or it is of another format.
    """
    return _header(Path(path))[1]


def read_vectors(path: str | Path, wanted: Collection[str] = (), *, first: int = 0) -> dict[str, np.ndarray]:
    """Vectors of wanted words, and of the first ones of the file: word -> (D,) float32, in the order of the file.

    Both formats of word2vec (Mikolov 2013) begin with a line `COUNT WIDTH`. In the text format a line a word follows;
    in the binary one a word, a space and WIDTH little-endian float32, with or without a line's end behind them.
    BioWordVec (Zhang 2019, doi 10.1038/s41597-019-0055-0) comes in the latter: 16.5 million words that take 13 GB, so
    the file is gone through and not held.

    Args:
        path: of the file.
        wanted: words as the file spells them.
        first: so many of the file's first words, which are its most frequent ones as a rule.

    Raises:
        WeightsError: there is no such file, it is of another format, or it ends early.
    """
    path = Path(path)
    count, width, start = _header(path)
    chosen = {word.encode() for word in wanted}
    found: dict[str, np.ndarray] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        text = _is_text(data, start, width)
        number = 0
        for number, (word, begin, end) in enumerate(
            islice((_lines if text else _blocks)(data, start, width), count), 1
        ):
            if number <= first or word in chosen:
                told = word.decode(errors="replace")
                vector = _vector(data[begin:end], text, width, f"{path}: vector {number} ('{told}')")
                found.setdefault(told, vector)  # of a word that stands there twice the first, as gensim takes
    if number < count:
        raise WeightsError(f"{path} ends behind {number} of {count} word vectors. do: fetch it again")
    return found


def _header(path: Path) -> tuple[int, int, int]:
    """(number of words, width, where the first one begins)."""
    if not path.is_file():
        raise WeightsError(
            f"word vectors '{path.absolute()}' are no file. do: correct the path, or write vectors: none to learn some"
        )
    with path.open("rb") as file:
        line = file.read(HEADER)
    if line.startswith(FASTTEXT):
        raise WeightsError(f"{path} is a model of fastText. do: take its vectors in word2vec's format (.vec, .vec.bin)")
    numbers, end, _ = line.partition(b"\n")
    parts = numbers.split()
    if not end or len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise WeightsError(f"{path} does not begin with the line `COUNT WIDTH` of word2vec's formats")
    return int(parts[0]), int(parts[1]), len(numbers) + 1


def _vector(values: bytes, text: bool, width: int, which: str) -> np.ndarray:
    try:
        vector = np.array(values.split(), np.float32) if text else np.frombuffer(values, "<f4")
    except ValueError as error:
        raise WeightsError(f"{which} holds what is no number. do: fetch the file again") from error
    if len(vector) != width:
        raise WeightsError(f"{which} has {len(vector)} numbers where {width} are announced. do: correct the first line")
    if not np.isfinite(vector).all():
        raise WeightsError(f"{which} has a number that is not finite. do: fetch the file again, or leave the word out")
    return vector


def _is_text(data: mmap.mmap, start: int, width: int) -> bool:
    """Whether a word and at least two numbers in digits come first, which no float32 looks like."""
    end = data.find(b"\n", start)
    parts = data[start : len(data) if end < 0 else end].split()[1:]
    try:
        return len([float(part) for part in parts]) >= min(2, width)
    except ValueError:
        return False


def _lines(data: mmap.mmap, start: int, width: int) -> Iterator[Entry]:
    """The entries of a text file."""
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        space = data.find(b" ", start, end)
        space = data.find(b"\t", start, end) if space < 0 else space
        if space >= 0:  # else a blank line
            yield data[start:space], space + 1, end
        start = end + 1


def _blocks(data: mmap.mmap, start: int, width: int) -> Iterator[Entry]:
    """The entries of a binary file."""
    size = 4 * width
    while True:
        space = data.find(b" ", start)
        if space < 0 or space + 1 + size > len(data):
            return
        yield data[start:space].lstrip(b"\n"), space + 1, space + 1 + size
        start = space + 1 + size

"""Reading word vectors: both formats, what is wanted alone, and files that are something else."""

import numpy as np
import pytest

from medvl.errors import WeightsError
from medvl.models.word_vectors import FASTTEXT, read_vectors, vector_width

WORDS = ["the", "effusion", "left", "x-ray", "wörter"]
VECTORS = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
# a space and a line's end among the bytes of the numbers must not end an entry
VECTORS[1, 0] = np.frombuffer(b"\x20\x0a\x20\x0a", np.float32)[0]


def binary(path, ends=b"\n", count=5):
    entries = (word.encode() + b" " + vector.tobytes() + ends for word, vector in zip(WORDS, VECTORS, strict=True))
    path.write_bytes(b"%d 8\n" % count + b"".join(entries))
    return path


def text(path, count=5):
    lines = [f"{word} {' '.join(repr(float(x)) for x in vector)}" for word, vector in zip(WORDS, VECTORS, strict=True)]
    path.write_text("\n".join([f"{count} 8", *lines]) + "\n", encoding="utf-8")
    return path


FORMATS = {"binary": binary, "binary without line ends": lambda path: binary(path, b""), "text": text}


@pytest.mark.parametrize("form", FORMATS)
def test_every_word_can_be_had(form, tmp_path):
    path = FORMATS[form](tmp_path / "vectors")
    assert vector_width(path) == 8
    found = read_vectors(path, WORDS)
    assert list(found) == WORDS
    assert all(np.array_equal(found[word], VECTORS[row]) for row, word in enumerate(WORDS))


@pytest.mark.parametrize("form", FORMATS)
def test_only_what_is_wanted_is_read(form, tmp_path):
    path = FORMATS[form](tmp_path / "vectors")
    assert list(read_vectors(path, {"wörter", "pneumonia"}, first=2)) == ["the", "effusion", "wörter"]
    assert read_vectors(path) == {}


@pytest.mark.parametrize("write", [binary, text])
def test_a_file_that_ends_early_is_refused(write, tmp_path):
    with pytest.raises(WeightsError, match="ends behind 5 of 6 word vectors"):
        read_vectors(write(tmp_path / "vectors", count=6), WORDS)
    path = binary(tmp_path / "cut")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(WeightsError, match="ends behind 4 of 5"):
        read_vectors(path, WORDS)


def test_a_line_of_another_length_is_refused(tmp_path):
    path = text(tmp_path / "vectors")
    path.write_text(path.read_text().replace("left ", "left 0.5 "))
    assert len(read_vectors(path, ["the"])) == 1
    with pytest.raises(WeightsError, match="vector 3 has 9 numbers where 8"):
        read_vectors(path, ["left"])


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (FASTTEXT + b"\x0c\x00\x00\x00", "a model of fastText"),
        (b"the 0.1 0.2\n", "does not begin with the line `COUNT WIDTH`"),
        (b"", "does not begin with the line"),
    ],
)
def test_another_format_is_named(start, message, tmp_path):
    path = tmp_path / "vectors"
    path.write_bytes(start)
    with pytest.raises(WeightsError, match=message):
        vector_width(path)


def test_no_file_is_said(tmp_path):
    with pytest.raises(WeightsError, match="are no file"):
        read_vectors(tmp_path / "none", WORDS)

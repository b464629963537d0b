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
    with pytest.raises(WeightsError, match=r"vector 3 \('left'\) has 9 numbers where 8"):
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


@pytest.mark.parametrize("announced", [2, 7, 9])
def test_a_text_whose_first_line_announces_another_width_is_not_read_as_binary(announced, tmp_path):
    path = text(tmp_path / "vectors")
    path.write_text(path.read_text().replace("5 8\n", f"5 {announced}\n", 1))
    with pytest.raises(WeightsError, match=f"vector 1 .'the'. has 8 numbers where {announced} are announced"):
        read_vectors(path, WORDS)


def test_tabs_and_blank_lines_are_read(tmp_path):
    path = text(tmp_path / "vectors")
    first, *lines = path.read_text().splitlines()
    path.write_text("\n".join([first, lines[0], "", *(line.replace(" ", "\t") for line in lines[1:])]) + "\n\n")
    found = read_vectors(path, WORDS)
    assert list(found) == WORDS and np.array_equal(found["left"], VECTORS[2])


@pytest.mark.parametrize(("value", "message"), [("a", "holds what is no number"), ("nan", "is not finite")])
def test_what_is_no_number_is_refused(value, message, tmp_path):
    path = text(tmp_path / "vectors")
    lines = path.read_text().splitlines()
    lines[3] = f"left {value} " + " ".join(["0.5"] * 7)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(WeightsError, match=rf"vector 3 \('left'\) .*{message}"):
        read_vectors(path, WORDS)


def test_of_a_word_that_stands_there_twice_the_first_counts(tmp_path):
    path = text(tmp_path / "vectors")
    path.write_text(path.read_text().replace("left ", "the "))
    assert np.array_equal(read_vectors(path, ["the"])["the"], VECTORS[0])

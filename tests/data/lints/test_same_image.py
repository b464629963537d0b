"""The same bytes under two names."""

import os

import numpy as np
import pyarrow as pa
import pytest

from medvl.data.lints.same_image import PIECE, UNKNOWN, file_contents, same_images, stored_contents
from medvl.data.patients import id_hash


def files(tmp_path, *contents):
    paths = []
    for number, content in enumerate(contents):
        paths.append(tmp_path / f"{number}.bin")
        if content is not None:
            paths[-1].write_bytes(content)
    return paths


def test_equal_bytes_have_equal_numbers(tmp_path):
    long = os.urandom(5 * PIECE)
    other_head = b"x" + long[1:]
    other_tail = long[:-1] + b"x"
    other_middle = bytearray(long)
    other_middle[len(long) // 2] ^= 1
    contents = file_contents(
        files(tmp_path, long, b"short", other_head, long, b"shirt", bytes(other_middle), None, other_tail, b"", b"")
    )
    assert contents[0] == contents[3] and contents[8] == contents[9]
    assert contents[6] == UNKNOWN
    assert len(set(contents.tolist())) == 8


def test_equal_stored_pixels_have_equal_numbers_and_unreadable_ones_none():
    contents = stored_contents(np.array([2**63 + 5, 0, 7, 2**63 + 5, 0], np.uint64))
    assert contents[0] == contents[3] != contents[2]
    assert contents[1] == contents[4] == UNKNOWN


def test_only_files_of_one_size_are_opened(tmp_path, monkeypatch):
    paths = files(tmp_path, b"a", b"bb", b"ccc")
    monkeypatch.setattr(type(paths[0]), "open", lambda *_: pytest.fail("opened"))
    assert len(set(file_contents(paths).tolist())) == 3


def test_progress_counts_what_is_read(tmp_path):
    told = []
    file_contents(files(tmp_path, b"aa", b"bb", b"c"), lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def table(*patients):
    return pa.table({"image": [f"i{n}" for n in range(len(patients))], "patient": list(patients)})


def test_across_splits_is_an_error_and_within_one_a_warning():
    contents = np.array([7, 7, 8, 8, 9, UNKNOWN, UNKNOWN])
    splits = np.array([0, 2, 0, 0, 1, 0, 2], np.int8)
    error, warning = same_images(table("a", "a", "b", "c", "d", "e", "f"), splits, contents)
    assert (error.severity, warning.severity) == ("error", "warning")
    assert error.examples == (f"{id_hash('i0')} = {id_hash('i1')}",)
    assert "within a split: 1, 1 of them under several patients" in warning.message


def test_copies_that_the_cohort_leaves_out_do_not_count():
    assert same_images(table("a", "b"), np.array([0, -1], np.int8), np.array([7, 7])) == []


def test_no_copies():
    assert same_images(table("a", "b"), np.array([0, 1], np.int8), np.array([7, 8])) == []


def test_a_split_of_questions_shares_images_on_purpose():
    (found,) = same_images(table("a", "b"), np.array([0, 1], np.int8), np.array([7, 7]), "question")
    assert found.severity == "warning"

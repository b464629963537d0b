import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from medvl.data.rle import decode_rle, encode_rle
from medvl.errors import DataError


def by_the_book(text, height, width):
    """The challenge's own description, a run at a time."""
    flat, position = np.zeros(height * width, bool), 0
    numbers = [int(word) for word in text.split()]
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        position += gap
        flat[position : position + length] = True
        position += length
    return flat.reshape(width, height).T


masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


@given(masks)
@settings(max_examples=200, deadline=None)
def test_a_mask_survives_the_round_trip(mask):
    assert np.array_equal(decode_rle([encode_rle(mask)], mask.shape), mask)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=5))
@settings(max_examples=200, deadline=None)
def test_decoding_follows_the_description(runs):
    text = " ".join(f"{gap} {length}" for gap, length in runs)
    assert np.array_equal(decode_rle([text], (9, 12)), by_the_book(text, 9, 12))


def test_runs_go_down_the_columns_and_count_from_the_end_of_the_run_before():
    mask = decode_rle(["1 2 3 1"], (3, 4))
    assert np.argwhere(mask).tolist() == [[0, 2], [1, 0], [2, 0]]
    assert mask.dtype == bool and mask.flags.c_contiguous
    assert encode_rle(mask) == "1 2 3 1"


def test_several_masks_are_united():
    assert decode_rle(["0 2", "1 2"], (2, 2)).tolist() == [[True, True], [True, False]]


def test_no_mask():
    assert encode_rle(np.zeros((3, 3), bool)) == "-1"
    for none in ([], ["-1"], [" -1"]):
        assert not decode_rle(none, (3, 3)).any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2 3", "holds 3 numbers"),
        ("1 -2", "the lowest -2"),
        ("one 2", "more than whole numbers"),
        ("5 5", "ends at pixel 10 of 9. do:"),
        ("1 2 4 2 7 3", "ends at pixel 19 of 9. its numbers rise as absolute positions do"),
    ],
)
def test_what_is_no_mask_is_refused(text, said):
    with pytest.raises(DataError, match="run-length") as caught:
        decode_rle([text], (3, 3))
    assert said in str(caught.value)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.scaling import Picture, resize, square


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.sampled_from(["crop", "pad", "stretch"]))
def test_resize_always_gives_the_square_and_keeps_a_constant(height, width, side, fit):
    square = resize(np.full((height, width), 77, np.uint8), side, fit)
    assert square.shape == (side, side) and square.dtype == np.uint8
    assert set(np.unique(square)) <= ({0, 77} if fit == "pad" else {77})
    assert 77 in square


def test_crop_keeps_the_centre():
    image = np.zeros((100, 300), np.uint8)
    image[:, 100:200] = 200
    assert (resize(image, 50, "crop") == 200)[:, 2:-2].all()


def test_pad_keeps_the_aspect():
    square = resize(np.full((100, 200), 9, np.uint8), 40, "pad")
    assert (square[10:30] == 9).all() and (square[:10] == 0).all() and (square[30:] == 0).all()


def test_reduction_averages():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (512, 512), np.uint8)
    exact = image.reshape(64, 8, 64, 8).mean((1, 3))
    error = resize(image, 64).astype(float) - exact
    assert np.abs(error.mean()) < 0.6
    assert error.std() < 8  # nearest-neighbour sampling would leave about 74


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_the_box_says_where_the_radiograph_lies(fit):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20), np.uint8)
    rimmed = np.pad(pixels, ((0, 2), (1, 0)), constant_values=255)
    inner = (slice(4, -4), slice(5, -5))  # beside the rim, the filter sees it
    whole = square(Picture.whole(pixels), 16, fit)
    np.testing.assert_array_equal(square(Picture(rimmed, (1.0, 0.0, 21.0, 30.0)), 16, fit)[inner], whole[inner])
    assert not np.array_equal(square(Picture.whole(rimmed), 16, fit)[inner], whole[inner])


def test_a_finished_square_is_left_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    assert resize(pixels, 16) is pixels
    assert not np.array_equal(square(Picture(pixels, (0.5, 0.5, 15.5, 15.5)), 16), pixels)

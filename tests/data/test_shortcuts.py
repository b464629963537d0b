import io
from math import ceil

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medvl.data.scaling import Picture, resize, square
from medvl.data.shortcuts import averaged, block_of, draft_jpeg, reduced_jpeg2000
from tests.data.radiographs import decibels, stored_radiograph


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.sampled_from(["u2", "i2"]),
    st.sampled_from([1.0, 0.05]), st.integers(0, 99),
)  # fmt: skip
def test_whole_blocks_are_averaged_and_rounded(block, rows, columns, dtype, share, seed):
    """Near the ends of the type, too, where narrow sums would wrap."""
    limits = np.iinfo(dtype)
    low, high = int(limits.min * share), int(limits.max * share)
    values = np.random.default_rng(seed).integers(low, high, (rows * block, columns * block), dtype, endpoint=True)
    means, box = averaged(values, block)
    exact = values.astype(float).reshape(rows, block, columns, block).mean((1, 3))
    np.testing.assert_array_equal(means, np.floor(exact + (block * block // 2) / (block * block)))
    assert means.dtype == values.dtype
    assert box == (0, 0, columns, rows)


def test_the_largest_values_do_not_wrap():
    for value, dtype in ((65535, "u2"), (32767, "i2"), (-32768, "i2")):
        assert (averaged(np.full((9, 9), value, dtype), 3)[0] == value).all()


def test_a_part_of_a_block_is_outside_the_box():
    means, box = averaged(np.arange(70, dtype=np.uint16).reshape(7, 10), 3)
    assert means.shape == (3, 4)
    np.testing.assert_allclose(box, (0, 0, 10 / 3, 7 / 3))


@pytest.mark.parametrize(("side", "block"), [(512, 3), (224, 7), (1694, 1), (4000, 1)])
def test_blocks_leave_one_and_a_half_pixels_for_each_kept(side, block):
    assert block_of((3056, 2544), side) == block


SHAPES = [(604, 500), (605, 503), (601, 502)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", [100, 64])
def test_averages_first_differ_from_scaling_by_little(shape, side):
    pixels = stored_radiograph(shape, 8)
    block = block_of(shape, side)
    assert block > 1
    means, box = averaged(pixels.astype(np.uint16) * 257, block)
    assert decibels(square(Picture((means // 257).astype(np.uint8), box), side), resize(pixels, side)) > 45


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("side", "scale"), [(100, 2), (80, 4), (40, 8)])
def test_a_jpeg_is_decoded_smaller_and_stays_in_its_place(shape, side, scale):
    buffer = io.BytesIO()
    Image.fromarray(stored_radiograph(shape, 8)).save(buffer, "JPEG", quality=95)
    full = np.asarray(Image.open(buffer))
    image = Image.open(buffer)
    box = draft_jpeg(image, side)
    pixels = np.asarray(image)
    assert pixels.shape == tuple(ceil(length / scale) for length in shape)
    assert box == (0, 0, shape[1] / scale, shape[0] / scale)
    assert decibels(square(Picture(pixels, box), side), resize(full, side)) > 42


def test_without_a_side_a_jpeg_is_decoded_in_full():
    buffer = io.BytesIO()
    Image.fromarray(stored_radiograph((64, 48), 8)).save(buffer, "JPEG")
    image = Image.open(buffer)
    assert draft_jpeg(image, None) == (0, 0, 48, 64)
    assert np.asarray(image).shape == (64, 48)


def coded(values: np.ndarray, bits: int, resolutions: int = 6) -> bytes:
    return imagecodecs.jpeg2k_encode(
        values, codecformat="j2k", reversible=True, bitspersample=bits, level=0, resolutions=resolutions
    )


@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
@pytest.mark.parametrize("shape", SHAPES)
def test_jpeg_2000_at_a_lower_resolution_keeps_values_and_place(bits, shape):
    values = stored_radiograph(shape, bits)
    side = 100
    reduced, box = reduced_jpeg2000(coded(values, bits), side, shape=shape, precision=bits, signed=False)
    assert min(reduced.shape) < min(shape) and box[3] - box[1] >= side and reduced.dtype == values.dtype
    to_byte = 255 / (2**bits - 1)
    picture = Picture(np.rint(reduced * to_byte).astype(np.uint8), box)
    assert decibels(square(picture, side), resize(np.rint(values * to_byte).astype(np.uint8), side)) > 42


def test_signed_jpeg_2000():
    values = (stored_radiograph((200, 160), 12).astype(np.int16) - 2048).astype(np.int16)
    reduced, _ = reduced_jpeg2000(coded(values, 12), 80, shape=values.shape, precision=12, signed=True)
    assert reduced.dtype == np.int16
    assert abs(reduced.mean() - values.mean()) < 5


def test_what_has_no_lower_resolution_is_left():
    values = stored_radiograph((200, 160), 12)
    assert reduced_jpeg2000(coded(values, 12), 81, shape=values.shape, precision=12, signed=False) is None
    single = imagecodecs.jpeg2k_encode(
        values, codecformat="j2k", reversible=True, bitspersample=12, level=0, resolutions=1
    )
    assert reduced_jpeg2000(single, 20, shape=values.shape, precision=12, signed=False) is None

"""Decoding fewer pixels than a file holds, where the squares that are kept are smaller still."""

from __future__ import annotations

import io
from math import ceil

import numpy as np
from PIL import Image

from medvl.data.scaling import Box

GAP = 1.5  # pixels that must be left for each one kept: below, the coarse filters of these shortcuts show


def block_of(shape: tuple[int, ...], side: int) -> int:
    """Width of the blocks of an image (H, W) that may be averaged before it is scaled to `side`; 1 for none."""
    return max(1, int(min(shape) / (side * GAP)))


def averaged(values: np.ndarray, block: int) -> tuple[np.ndarray, Box]:
    """Integers (H, W) -> their rounded averages over square blocks, and where the image lies in them.

    The last block of a side that is no multiple of `block` overlaps the one before; the box ends inside it.
    """
    height, width = values.shape
    bound = max(int(values.max()), -int(values.min())) + 1  # half a block is added for rounding
    rows = _row_sums(values, block, _wide(values, bound * block))
    sums = _row_sums(rows.T, block, _wide(values, bound * block * block)).T
    means = (sums + block * block // 2) // (block * block)
    return np.ascontiguousarray(means, values.dtype), (0.0, 0.0, width / block, height / block)


def _wide(values: np.ndarray, bound: int) -> np.dtype:
    """The narrowest integers that hold sums below `bound`: those add fastest."""
    return np.min_scalar_type(-bound if values.dtype.kind == "i" else bound)


def _row_sums(values: np.ndarray, block: int, wide: np.dtype) -> np.ndarray:
    """Sums over blocks of the first axis."""
    whole = len(values) // block * block
    if values.flags.c_contiguous:
        sums = values[:whole].reshape(-1, block, values.shape[1]).sum(1, dtype=wide)
    else:
        sums = values[:whole:block].astype(wide)
        for start in range(1, block):
            sums += values[start:whole:block]
    if whole < len(values):
        sums = np.concatenate([sums, values[-block:].sum(0, dtype=wide)[None]])
    return sums


def draft_jpeg(image: Image.Image, side: int | None) -> Box:
    """Have an opened JPEG decode its luma alone, at 1/2, 1/4 or 1/8 where enough is left for `side`.

    Scaled DCT leaves out the high frequencies of each block of 8 x 8 pixels, so it costs less than decoding, too.
    Other formats are left as they are.

    Returns:
        Where the image will lie in its pixels.
    """
    width, height = image.size
    least = None if side is None else (ceil(side * GAP),) * 2
    drafted = image.draft("L", least)
    return (0.0, 0.0, float(width), float(height)) if drafted is None else drafted[1]


def reduced_jpeg2000(
    stream: bytes, side: int, *, shape: tuple[int, int], precision: int, signed: bool
) -> tuple[np.ndarray, Box] | None:
    """A gray JPEG 2000 codestream at the lowest of its resolutions that is not below `side`.

    Args:
        stream: the codestream.
        side: pixels that are kept.
        shape: (H, W) in full.
        precision: bits of its samples, at most 16.
        signed: whether they are.

    Returns:
        Stored values and where the image lies in them; None where no lower resolution can be read.
    """
    most = int(np.log2(max(1, min(shape) / side)))
    for halvings in range(most, 0, -1):
        if all(_pillow_reads(length, halvings) for length in shape):
            try:
                values = _at_resolution(stream, halvings)
            except OSError:  # it has fewer resolutions, or is damaged: decoding it in full will tell
                continue
            return _centred(_unscaled(values, precision, signed), shape, halvings)
    return None


def _pillow_reads(length: int, halvings: int) -> bool:
    """Pillow rounds a reduced length to the nearest where the standard rounds up, and refuses where they differ."""
    return (length + 2**halvings // 2) // 2**halvings == ceil(length / 2**halvings)


def _at_resolution(stream: bytes, halvings: int) -> np.ndarray:
    with Image.open(io.BytesIO(stream), formats=("JPEG2000",)) as image:
        image.reduce = halvings  # type: ignore[assignment,method-assign]
        image.load()
        return np.asarray(image)


def _unscaled(values: np.ndarray, precision: int, signed: bool) -> np.ndarray:
    """Pillow gives samples as unsigned, moved up to fill 8 or 16 bits (12 bits come 16-fold); back to what is coded."""
    values = values >> (8 * values.itemsize - precision)
    return (values.astype(np.int32) - (1 << (precision - 1))).astype(f"i{values.itemsize}") if signed else values


def _centred(values: np.ndarray, shape: tuple[int, int], halvings: int) -> tuple[np.ndarray, Box]:
    """The box of reduced values: a wavelet's low pass lies on every 2nd, 4th, ... pixel, not between them."""
    height, width = (length / 2**halvings for length in shape)
    shift = 0.5 - 0.5 / 2**halvings
    values = np.pad(values, ((0, 1), (0, 1)), "edge")  # the box may end a part of a pixel beyond
    return values, (shift, shift, width + shift, height + shift)

"""Run-length encoded masks as the SIIM-ACR pneumothorax challenge writes them: relative gaps, down the columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medvl.errors import DataError

EMPTY = "-1"  # the whole cell of an image without a mask


def decode_rle(runs: Sequence[str], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The union of several encoded masks of one image.

    A mask is pairs `gap length`: how many pixels lie between the end of the run before (the image's first pixel, for
    the first) and this one, and how many belong to it. Pixels are counted down the first column, then the second, ...

    Args:
        runs: encoded masks, or `-1` for one without a pixel; none at all gives an empty mask.
        shape: height and width of the image.

    Returns:
        bool (H, W).

    Raises:
        DataError: not pairs of whole numbers, or runs beyond the image; says so where they look like the absolute
            positions that other challenges write.
    """
    height, width = shape
    mask = np.zeros(height * width, bool)
    for text in runs:
        if text.strip() != EMPTY:
            mask |= _flat(text, height * width)
    return np.ascontiguousarray(mask.reshape(width, height).T)


def encode_rle(mask: npt.NDArray[np.bool_]) -> str:
    """bool (H, W) -> what `decode_rle` reads; `-1` where no pixel is True."""
    flat = np.concatenate([[False], np.asarray(mask, bool).T.ravel(), [False]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])  # start, end, start, end, ...
    return " ".join(map(str, np.diff(ends, prepend=0).tolist())) if len(ends) else EMPTY


def _flat(text: str, pixels: int) -> npt.NDArray[np.bool_]:
    """(pixels,) bool, column after column."""
    try:
        counts = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError):
        raise DataError("a run-length encoded mask holds more than whole numbers. do: fetch it again") from None
    if len(counts) % 2 or (counts < 0).any():
        raise DataError(
            f"a run-length encoded mask is pairs of a gap and a length, none below 0; this one holds {len(counts)} "
            f"numbers, the lowest {counts.min()}. do: fetch it again, it may be cut short"
        )
    end = int(counts.sum())
    if end > pixels:
        raise DataError(
            f"a run-length encoded mask ends at pixel {end} of {pixels}. {_reason(counts, pixels)}"
            "do: give the masks of SIIM-ACR's train-rle.csv, whose runs count from the end of the run before"
        )
    return np.repeat(np.arange(len(counts) + 1) % 2 == 1, np.append(counts, pixels - end))


def _reason(counts: npt.NDArray[np.int64], pixels: int) -> str:
    starts, lengths = counts[::2], counts[1::2]
    ends = starts + lengths
    rising = len(starts) > 1 and bool((starts[1:] >= ends[:-1]).all()) and ends[-1] <= pixels + 1  # from 1
    return "its numbers rise as absolute positions do, and gaps were expected. " if rising else ""

"""DICOM files to 8-bit radiographs as a viewer shows them: modality LUT, VOI LUT or window, MONOCHROME1 inverted."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset as Header
from pydicom.pixels import apply_color_lut

from medvl.data.decode import Decode
from medvl.data.dicom_display import displayed
from medvl.data.dicom_frame import reduced_values, stored_values
from medvl.data.dicom_header import PALETTE, open_header, require_radiograph
from medvl.data.scaling import Picture, whole_box
from medvl.errors import DataError

# pydicom logs a traceback for every decoder that fails; the errors raised here say as much in a sentence.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def read_dicom(path: Path, decode: Decode | None = None) -> np.ndarray:
    """One radiograph as uint8 (H, W), air dark, bone bright; see `dicom_picture`."""
    return dicom_picture(path, decode or Decode()).pixels


def dicom_picture(path: Path, decode: Decode, side: int | None = None) -> Picture:
    """One radiograph, air dark, bone bright.

    The chain of PS3.3 C.11: stored values -> modality LUT or rescale -> VOI LUT, else window (LINEAR, LINEAR_EXACT or
    SIGMOID), of several the first or `decode.window`, else the full range of the image's values without its padding
    value -> 0..255; MONOCHROME1 is inverted last. A window of no width counts as none. Colour of 8 bits and palettes
    are reduced to luma (ITU-R 601). A file without preamble or file meta is read when it names its rows, columns and
    pixel data.

    Args:
        path: the file.
        decode: which window; which shortcuts are allowed.
        side: the side that will be kept of it, where fewer pixels may be decoded; all are where None.

    Raises:
        DataError: not DICOM, no pixel data, cut short, several frames, colour or gray of more than 16 bits, no such
            window, or compressed in a way that no installed decoder reads. Names the file, the reason, and what to do.
    """
    try:
        return _read(path, decode, None if decode.exact else side)
    except DataError as error:
        if str(error).startswith(str(path)):
            raise
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # pydicom raises almost anything on a damaged file
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        raise DataError(f"{path}: cannot be decoded as DICOM: {reason}. do: fetch or export the file again") from error


def _read(path: Path, decode: Decode, side: int | None) -> Picture:
    header = open_header(path)
    require_radiograph(path, header)
    reduced = reduced_values(header, side) if side is not None and decode.jpeg2000 == "reduced" else None
    if reduced is not None:
        values, box = reduced
        return displayed(values, header, box, decode.window)
    values = stored_values(path, header)
    if header.PhotometricInterpretation == PALETTE:
        values = _painted(values, header)
    if values.ndim == 3:
        return Picture.whole(np.asarray(Image.fromarray(values).convert("L")))
    return displayed(values, header, whole_box(values), decode.window, average_for=side)


def _painted(values: np.ndarray, header: Header) -> np.ndarray:
    """(H, W) places in a palette -> uint8 (H, W, 3)."""
    colours = apply_color_lut(values, header)
    return (colours >> 8).astype(np.uint8) if colours.itemsize == 2 else colours

"""Image files to square uint8 radiographs; the store and prediction both read here, so they see the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from medvl.data.decode import Decode
from medvl.data.depth import code_values, linear, to_bytes
from medvl.data.scaling import Fit, Picture, square, whole_box
from medvl.data.shortcuts import draft_jpeg
from medvl.errors import DataError

DICOM_SUFFIXES = (".dcm", ".dicom")
PREAMBLE = 128  # bytes in front of a DICOM file's mark


def prepare_image(path: Path, side: int, fit: Fit = "crop", decode: Decode | None = None) -> np.ndarray:
    """A file as the decoded-image store keeps it: uint8 (side, side).

    Raises:
        DataError: see `read_image`.
    """
    return square(_picture(path, decode or Decode(), side), side, fit)


def read_image(path: Path, decode: Decode | None = None) -> np.ndarray:
    """A radiograph in full as uint8 (H, W): DICOM (`medvl.data.dicom`), or what Pillow opens (JPEG, PNG, TIFF, ...).

    DICOM is known by its suffix or its mark, else tried last. Colour is reduced to luma, alpha is ignored, an EXIF
    orientation is obeyed. Pixels of more than 8 bits are scaled linearly so that the image's own lowest value becomes
    0 and its highest 255, as for DICOM without a window.

    Raises:
        DataError: missing, empty, of no known format, damaged, or of several frames. Names the file and what to do.
    """
    return _picture(path, decode or Decode(), None).pixels


def _picture(path: Path, decode: Decode, side: int | None) -> Picture:
    """A radiograph; at a lower resolution where `side` is all that will be kept and `decode` allows it."""
    try:
        with path.open("rb") as file:
            head = file.read(PREAMBLE + 4)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be opened: {error.strerror}. do: check the path and its permissions"
        ) from error
    if not head:
        raise DataError(f"{path}: the file is empty. do: fetch it again")
    if head[PREAMBLE:] == b"DICM" or path.suffix.lower() in DICOM_SUFFIXES:
        return _dicom(path, decode, side)
    try:
        with Image.open(path) as image:
            return _gray(path, image, None if decode.exact else side)
    except UnidentifiedImageError:
        return _dicom(path, decode, side)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be decoded: {error}. do: fetch or export the file again") from error


def _dicom(path: Path, decode: Decode, side: int | None) -> Picture:
    from medvl.data.dicom import dicom_picture  # pydicom is slow to import, and most sets are JPEG or PNG

    return dicom_picture(path, decode, side)


def _gray(path: Path, image: Image.Image, side: int | None) -> Picture:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise DataError(f"{path}: holds {frames} frames; one radiograph a file is read. do: export one frame a file")
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
        side = None
    box = draft_jpeg(image, side)
    if image.mode.startswith(("I", "F")):
        return _full_range(np.asarray(image), side)
    return Picture(np.asarray(image.convert("L")), box)


def _full_range(values: np.ndarray, side: int | None) -> Picture:
    """Values of more than 8 bits, their own lowest black and their highest white."""
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f" or low < 0 or high > 65535:
        return Picture.whole(np.rint(255 * linear(values.astype(np.float64), low, high)).astype(np.uint8))
    stored = np.ascontiguousarray(values, np.uint16)
    return to_bytes(stored, linear(code_values(stored.dtype), low, high), whole_box(stored), average_for=side)

"""Image files to square uint8 radiographs; the store and prediction both read here, so they see the same pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from medvl.data.dicom import read_dicom
from medvl.errors import DataError

Fit = Literal["crop", "pad", "stretch"]

DICOM_SUFFIXES = (".dcm", ".dicom")
PREAMBLE = 128  # bytes in front of a DICOM file's mark


def prepare_image(path: Path, side: int, fit: Fit = "crop") -> np.ndarray:
    """A file as the decoded-image store keeps it: uint8 (side, side).

    Raises:
        DataError: see `read_image`.
    """
    return resize(read_image(path), side, fit)


def read_image(path: Path) -> np.ndarray:
    """A radiograph as uint8 (H, W): DICOM (`medvl.data.dicom`), or whatever Pillow opens (JPEG, PNG, TIFF, ...).

    DICOM is known by its suffix or its mark, else tried last. Colour is reduced to luma, alpha is ignored, an EXIF
    orientation is obeyed. Pixels of more than 8 bits are scaled linearly so that the image's own lowest value becomes
    0 and its highest 255, as for DICOM without a window.

    Raises:
        DataError: missing, empty, of no known format, damaged, or of several frames. Names the file and what to do.
    """
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
        return read_dicom(path)
    try:
        with Image.open(path) as image:
            return _gray(path, image)
    except UnidentifiedImageError:
        return read_dicom(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be decoded: {error}. do: fetch or export the file again") from error


def _gray(path: Path, image: Image.Image) -> np.ndarray:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise DataError(f"{path}: holds {frames} frames; one radiograph a file is read. do: export one frame a file")
    image.draft("L", None)  # JPEG: luma alone is decoded; nothing for other formats
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        return _full_range(np.asarray(image))
    return np.asarray(image.convert("L"))


def _full_range(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    return np.rint((values - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)


def resize(image: np.ndarray, side: int, fit: Fit = "crop") -> np.ndarray:
    """uint8 (H, W) -> (side, side), antialiased.

    Args:
        image: uint8 (H, W).
        side: pixels.
        fit: `crop` scales the short side and keeps the centre square, `pad` scales the long side and fills with black,
            `stretch` ignores the aspect ratio.
    """
    height, width = image.shape
    if height == width == side:
        return image
    if fit == "pad":
        return _padded(image, side)
    box = (0.0, 0.0, float(width), float(height))
    if fit == "crop":
        short = min(height, width)
        left, top = (width - short) / 2, (height - short) / 2
        box = (left, top, left + short, top + short)
    return _scaled(image, (side, side), box)


def _padded(image: np.ndarray, side: int) -> np.ndarray:
    height, width = image.shape
    scale = side / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (side - rows) // 2, (side - columns) // 2
    square = np.zeros((side, side), np.uint8)
    square[top : top + rows, left : left + columns] = _scaled(image, (columns, rows), (0.0, 0.0, width, height))
    return square


def _scaled(image: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float]) -> np.ndarray:
    # Pillow's bilinear filter widens with the reduction, so it averages; the gap lets it halve by boxes first.
    scaled = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)
    return np.asarray(scaled)

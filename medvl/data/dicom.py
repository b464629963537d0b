"""DICOM files to 8-bit radiographs as a viewer shows them: modality LUT, VOI LUT or window, MONOCHROME1 inverted."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medvl.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset as Header

# pydicom logs a traceback for every decoder that fails; the errors raised here say as much in a sentence.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

PLUGINS = "pip install 'medvl[dicom]'"


def read_dicom(path: Path) -> np.ndarray:
    """One radiograph as uint8 (H, W), air dark, bone bright.

    The chain of PS3.3 C.11: stored values -> modality LUT or rescale -> VOI LUT, else the first window (LINEAR,
    LINEAR_EXACT or SIGMOID), else the full range of the image's values without its padding value -> 0..255;
    MONOCHROME1 is inverted last. A window of no width counts as none. 8-bit colour is reduced to luma (ITU-R 601).
    A file without preamble or file meta is read when it names its rows, columns and pixel data.

    Raises:
        DataError: not DICOM, no pixel data, cut short, several frames, palette colour, more than 16 bits, or compressed
            in a way that no installed decoder reads. Names the file, the reason, and what to do.
    """
    try:
        return _read(path)
    except DataError:
        raise
    except Exception as error:  # pydicom raises almost anything on a damaged file
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        raise DataError(f"{path}: cannot be decoded as DICOM: {reason}. do: fetch or export the file again") from error


def _read(path: Path) -> np.ndarray:
    from pydicom.pixels import pixel_array

    header = _open(path)
    _refuse_what_is_no_radiograph(path, header)
    _require_decoder(path, header)
    try:
        pixels = pixel_array(header)
    except RuntimeError as error:
        raise DataError(_no_decoder_managed(path, header, error)) from error
    if pixels.ndim == 3:
        return np.asarray(Image.fromarray(pixels).convert("L"))
    return _displayed(pixels, header)


def _open(path: Path) -> Header:
    from pydicom import dcmread
    from pydicom.dataset import FileMetaDataset
    from pydicom.errors import InvalidDicomError

    try:
        header = dcmread(path)
    except InvalidDicomError as error:
        header = dcmread(path, force=True)
        if not all(name in header for name in ("Rows", "Columns", "PixelData")):
            raise DataError(
                f"{path}: is not a DICOM file: it has no DICM mark, and read without it holds no image. "
                "do: check how the file was copied, or remove it from the list"
            ) from error
    if "PixelData" not in header:
        raise DataError(
            f"{path}: holds no pixel data (a header alone, or a file cut short). do: fetch or export the file again"
        )
    if "TransferSyntaxUID" not in getattr(header, "file_meta", {}):
        header.file_meta = getattr(header, "file_meta", FileMetaDataset())
        header.file_meta.TransferSyntaxUID = _guessed_syntax(path, header)
    return header


def _guessed_syntax(path: Path, header: Header) -> str:
    """What a file without file meta is encoded in: its header shows byte order and VR; compression it cannot show."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if header["PixelData"].is_undefined_length:
        raise DataError(
            f"{path}: is compressed but does not say how (no transfer syntax). do: fetch or export the file again"
        )
    implicit, little = header.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _refuse_what_is_no_radiograph(path: Path, header: Header) -> None:
    frames = int(header.get("NumberOfFrames") or 1)
    samples, allocated = int(header.get("SamplesPerPixel", 1)), int(header.BitsAllocated)
    photometric = str(header.get("PhotometricInterpretation", ""))
    if frames > 1:
        reason = f"holds {frames} frames; one radiograph a file is read"
    elif samples == 3 and allocated != 8:
        reason = f"is colour with {allocated} bits a sample; colour is read with 8"
    elif samples == 1 and photometric not in ("MONOCHROME1", "MONOCHROME2"):
        reason = f"has photometric interpretation '{photometric}'; known: MONOCHROME1, MONOCHROME2, RGB, YBR"
    elif samples == 1 and allocated not in (8, 16):
        reason = f"stores {allocated} bits a pixel; 8 and 16 are read"
    else:
        return
    raise DataError(f"{path}: {reason}. do: remove it from the list, or export it as a single gray image")


def _require_decoder(path: Path, header: Header) -> None:
    from pydicom.pixels import get_decoder

    syntax = header.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError as error:
        raise DataError(
            f"{path}: no decoder is known for transfer syntax '{syntax.name}'. "
            "do: remove it from the list, or export it uncompressed"
        ) from error
    if not available:
        raise DataError(f"{path}: '{syntax.name}' needs a decoder that is not installed. do: {PLUGINS}")


def _no_decoder_managed(path: Path, header: Header, error: RuntimeError) -> str:
    from pydicom.pixels import get_decoder

    syntax = header.file_meta.TransferSyntaxUID
    reason = " ".join(str(error).split())[:400]
    todo = f"{PLUGINS} if it is not installed; else fetch the file again, it may be damaged"
    if "JPEG Extended" in syntax.name and "pylibjpeg" not in get_decoder(syntax).available_plugins:
        # Left out of the extra: its licence (GPL-3.0) is the user's choice to make.
        todo = "pip install pylibjpeg-libjpeg (GPL-3.0), the one decoder for 12 bits, or export it in another syntax"
    return f"{path}: none of the installed decoders reads this '{syntax.name}' image: {reason}. do: {todo}"


def _displayed(pixels: np.ndarray, header: Header) -> np.ndarray:
    """(H, W) stored values -> uint8, through a table with one entry for each of the 256 or 65,536 possible codes."""
    pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    unsigned = np.dtype(f"u{pixels.itemsize}")
    codes = pixels.view(unsigned)
    stored = np.arange(256**pixels.itemsize, dtype=unsigned).view(pixels.dtype)
    shares = _shares(_modality(stored.astype(np.float64), header), codes, header)
    table = np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
    if header.PhotometricInterpretation == "MONOCHROME1":
        table = 255 - table
    return table[codes]


def _modality(stored: np.ndarray, header: Header) -> np.ndarray:
    if header.get("ModalityLUTSequence"):
        return _looked_up(stored, header.ModalityLUTSequence[0], header)[0]
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    return stored * float(1 if slope is None else slope) + float(0 if intercept is None else intercept)


def _shares(values: np.ndarray, codes: np.ndarray, header: Header) -> np.ndarray:
    """Modality values of the table's codes -> shares of full brightness; `codes` (H, W) are those of the image."""
    if header.get("VOILUTSequence"):
        entries, depth = _looked_up(values, header.VOILUTSequence[0], header)
        return entries / (2**depth - 1)
    center, width = _first(header.get("WindowCenter")), _first(header.get("WindowWidth"))
    function = str(header.get("VOILUTFunction") or "LINEAR").upper()
    if center is not None and width is not None and width >= (1 if function == "LINEAR" else 1e-9):
        return _windowed(values, center, width, function)
    present = np.zeros(len(values), bool)
    present[codes] = True
    padding = header.get("PixelPaddingValue")
    if padding is not None:
        present[int(padding) % len(values)] = False
    low, high = (values[present].min(), values[present].max()) if present.any() else (0.0, 0.0)
    return (values - low) / max(high - low, 1e-9)


def _windowed(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    if function == "LINEAR_EXACT":
        return (values - center) / width + 0.5
    return (values - (center - 0.5)) / max(width - 1, 1e-9) + 0.5


def _looked_up(values: np.ndarray, item: Header, header: Header) -> tuple[np.ndarray, int]:
    """(entries of a LUT sequence's item at `values`, its bits per entry). Values outside take the nearest entry."""
    count, first, depth = (int(number) for number in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):  # VR OW: words in the file's byte order, or single bytes
        order = "<" if header.file_meta.TransferSyntaxUID.is_little_endian else ">"
        data = np.frombuffer(data, f"{order}u2" if len(data) >= 2 * (count or 65536) else "u1")
    entries = np.asarray(data, np.float64)
    index = np.clip(np.rint(values) - first, 0, min(count or 65536, len(entries)) - 1)
    return entries[index.astype(np.int64)], depth


def _first(value: object) -> float | None:
    """The first of the values that a window's tag may hold; None where it is blank."""
    if isinstance(value, str) or not hasattr(value, "__len__"):
        return None if value in (None, "") else float(value)  # type: ignore[arg-type]
    return float(value[0]) if len(value) else None  # type: ignore[index]

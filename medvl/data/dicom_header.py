"""Opening a DICOM file and judging by its header whether it is one radiograph."""

from __future__ import annotations

import re
from pathlib import Path

from pydicom import Dataset as Header
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medvl.errors import DataError

NEEDED = ("Rows", "Columns", "PixelData")
DESCRIBED = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")
GRAY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"


def open_header(path: Path) -> Header:
    """A file's data set, with a transfer syntax even where the file names none.

    Raises:
        DataError: not DICOM, no pixel data, or compressed without saying how.
    """
    try:
        header = dcmread(path)
    except InvalidDicomError as error:
        header = dcmread(path, force=True)
        if not all(name in header for name in NEEDED):
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
    if header["PixelData"].is_undefined_length:
        raise DataError(
            f"{path}: is compressed but does not say how (no transfer syntax). do: fetch or export the file again"
        )
    implicit, little = header.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def require_radiograph(path: Path, header: Header) -> None:
    """Refuse what is no single gray or reducible image of at most 16 bits.

    Raises:
        DataError: a header that does not describe its pixels, several frames, more than 16 bits, or colour that is
            neither 8-bit nor a palette.
    """
    absent = [name for name in DESCRIBED if header.get(name) in (None, "")]
    if absent:
        raise DataError(f"{path}: its header lacks {', '.join(absent)}. do: fetch or export the file again")
    frames = _frames(header)
    samples, allocated = int(header.get("SamplesPerPixel", 1)), int(header.BitsAllocated)
    photometric = str(header.PhotometricInterpretation)
    if frames > 1:
        reason = f"holds {frames} frames; one radiograph a file is read"
    elif samples == 3 and allocated != 8:
        reason = f"is colour with {allocated} bits a sample; colour is read with 8"
    elif samples == 1 and photometric not in (*GRAY, PALETTE):
        reason = f"has photometric interpretation '{photometric}'; known: {', '.join(GRAY)}, {PALETTE}, RGB, YBR"
    elif samples == 1 and allocated not in (8, 16):
        reason = f"stores {allocated} bits a pixel; 8 and 16 are read"
    else:
        return
    raise DataError(f"{path}: {reason}. do: remove it from the list, or export it as a single gray image")


def _frames(header: Header) -> int:
    """Some writers leave the number blank, or let letters follow it."""
    number = re.match(r"\s*\d+", str(header.get("NumberOfFrames") or ""))
    return int(number.group()) if number else 1

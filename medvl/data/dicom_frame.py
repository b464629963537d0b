"""The stored values of a DICOM file's one frame, by the fastest decoder that is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset as Header
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder, pixel_array
from pydicom.pixels.utils import get_j2k_parameters
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from medvl.data import dicom_codec
from medvl.data.scaling import Box
from medvl.data.shortcuts import reduced_jpeg2000
from medvl.errors import DataError

PLUGINS = "pip install 'medvl[dicom]'"
END_OF_IMAGE = b"\xff\xd9"

# Tried first: the fastest where lossless, and Pillow where lossy, so that all machines give the same pixels.
FIRST = (
    dict.fromkeys(dicom_codec.SYNTAXES, dicom_codec.NAME)
    | dict.fromkeys(JPEGLSTransferSyntaxes, "pyjpegls")
    | dict.fromkeys(JPEG2000TransferSyntaxes, "pylibjpeg")
    | {JPEGBaseline8Bit: "pillow", RLELossless: "pylibjpeg"}
)


def stored_values(path: Path, header: Header) -> np.ndarray:
    """(H, W) integers of 8 or 16 bits in the machine's byte order, or uint8 (H, W, 3) RGB.

    Bits beyond those stored (overlays were kept there) are cleared, and the sign is extended.

    Raises:
        DataError: cut short, or compressed in a way that no installed decoder reads; says what to do.
    """
    syntax = header.file_meta.TransferSyntaxUID
    _require_decoder(path, syntax)
    _require_end(path, header)
    header.NumberOfFrames = 1  # it may be blank or malformed; several frames were refused
    try:
        values = _decoded(header, syntax)
    except RuntimeError as error:
        raise DataError(_no_decoder_managed(path, syntax, error)) from error
    if values.ndim == 3:
        return values
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    if syntax in JPEG2000TransferSyntaxes or syntax in JPEGLSTransferSyntaxes:
        return values  # pydicom has done it by the codestream's own precision
    return _used_bits(values, header)


def _decoded(header: Header, syntax: UID) -> np.ndarray:
    first = FIRST.get(syntax)
    if first in get_decoder(syntax).available_plugins:
        try:
            return pixel_array(header, index=0, decoding_plugin=first, correct_unused_bits=False)
        except RuntimeError:
            pass  # the others are tried; if none manages, pydicom tells the reason of each
    if syntax.is_encapsulated:
        return pixel_array(header, index=0, correct_unused_bits=False)
    return pixel_array(header, index=0, correct_unused_bits=False, view_only=True)


def _used_bits(values: np.ndarray, header: Header) -> np.ndarray:
    """Stored values without what lies above (or below) their bits; as they are where nothing does, which is usual."""
    allocated = 8 * values.itemsize
    stored = min(int(header.get("BitsStored") or allocated), allocated)
    unused = allocated - stored
    above = allocated - 1 - int(header.get("HighBit", stored - 1))
    reach = 2 ** (stored - 1) if values.dtype.kind == "i" else 2**stored
    lowest = -reach if values.dtype.kind == "i" else 0
    if above == unused and lowest <= int(values.min()) and int(values.max()) < reach:
        return values
    return values << min(max(above, 0), unused) >> unused


def reduced_values(header: Header, side: int) -> tuple[np.ndarray, Box] | None:
    """Stored values of a gray JPEG 2000 file at a lower resolution, see `medvl.data.shortcuts.reduced_jpeg2000`.

    None for other files, and where sign or precision of header and codestream differ: those are decoded in full.
    """
    if header.file_meta.TransferSyntaxUID not in (JPEG2000, JPEG2000Lossless) or int(header.SamplesPerPixel) != 1:
        return None
    stream = get_frame(header.PixelData, 0, number_of_frames=1)
    coded = get_j2k_parameters(stream)
    signed = bool(header.PixelRepresentation)
    if coded.get("is_signed") != signed or coded.get("precision") != header.BitsStored:
        return None
    return reduced_jpeg2000(
        stream, side, shape=(header.Rows, header.Columns), precision=coded["precision"], signed=signed
    )


def _require_decoder(path: Path, syntax: UID) -> None:
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError as error:
        raise DataError(
            f"{path}: no decoder is known for transfer syntax '{syntax.name}'. "
            "do: remove it from the list, or export it uncompressed"
        ) from error
    if not available:
        raise DataError(f"{path}: '{syntax.name}' needs a decoder that is not installed. do: {PLUGINS}")


def _require_end(path: Path, header: Header) -> None:
    """Refuse a JPEG cut short: some decoders fill in what is missing and say nothing."""
    syntax = header.file_meta.TransferSyntaxUID
    if syntax in JPEGTransferSyntaxes or syntax in JPEGLSTransferSyntaxes:
        stream = get_frame(header.PixelData, 0, number_of_frames=1)
        if END_OF_IMAGE not in stream[-64:]:  # padding may follow it; within coded data it cannot occur
            raise DataError(
                f"{path}: its '{syntax.name}' image is cut short: it has no end. do: fetch or export the file again"
            )


def _no_decoder_managed(path: Path, syntax: UID, error: RuntimeError) -> str:
    reason = " ".join(str(error).split())[:400]
    todo = f"{PLUGINS} if it is not installed; else fetch the file again, it may be damaged"
    return f"{path}: none of the installed decoders reads this '{syntax.name}' image: {reason}. do: {todo}"

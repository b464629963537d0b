"""Which compressions of DICOM can be decoded here, and by which installed package."""

from __future__ import annotations

from dataclasses import dataclass

INSTALL = "pip install 'medvl[dicom]'"  # brings the absent ones

# what a user knows it by -> the transfer syntax that stands for it
COMPRESSIONS = {
    "none": "ExplicitVRLittleEndian",
    "RLE": "RLELossless",
    "JPEG": "JPEGBaseline8Bit",
    "JPEG lossless": "JPEGLosslessSV1",
    "JPEG-LS": "JPEGLSLossless",
    "JPEG 2000": "JPEG2000Lossless",
}


@dataclass(frozen=True)
class Decoder:
    """A compression and what decodes it.

    Attributes:
        compression: e.g. `JPEG 2000`.
        packages: installed ones that decode it; none where none does, or where pydicom needs none.
        available: whether it can be decoded.
    """

    compression: str
    packages: tuple[str, ...]
    available: bool


def dicom_decoders() -> list[Decoder]:
    """One for each of `COMPRESSIONS`, in that order."""
    from pydicom import uid
    from pydicom.pixels import get_decoder

    decoders = {name: get_decoder(getattr(uid, syntax)) for name, syntax in COMPRESSIONS.items()}
    return [Decoder(name, decoder.available_plugins, decoder.is_available) for name, decoder in decoders.items()]

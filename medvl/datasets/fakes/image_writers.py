"""Writing phantom radiographs in the formats that the official releases use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

JPEG_QUALITY = 95


def write_picture(path: Path, pixels: np.ndarray, mode: str = "L") -> None:
    """JPEG or PNG by the suffix.

    Args:
        path: its folders are made.
        pixels: uint8 (H, W).
        mode: what Pillow calls the colours, e.g. `RGBA` for the odd PNG that is not gray.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels).convert(mode)
    image.save(path, quality=JPEG_QUALITY) if path.suffix.lower() in (".jpg", ".jpeg") else image.save(path)


def write_dicom(
    path: Path,
    pixels: np.ndarray,
    *,
    bits: int = 12,
    inverted: bool = False,
    compression: str = "none",
    **tags: Any,
) -> None:
    """A computed radiograph as DICOM.

    Args:
        path: its folders are made.
        pixels: uint8 (H, W), air dark; stored in `bits` bits.
        bits: 8 to 16.
        inverted: MONOCHROME1: the file stores air bright.
        compression: `none`, `rle`, or `jpeg` (baseline; 8 bits only).
        tags: further DICOM keywords, e.g. `WindowCenter=2048`; set last.
    """
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

    stored = np.rint(pixels.astype(np.float64) / 255 * (2**bits - 1))
    stored = (2**bits - 1 - stored if inverted else stored).astype(np.uint8 if bits == 8 else np.uint16)
    header = Dataset()
    header.SOPClassUID = ComputedRadiographyImageStorage
    header.SOPInstanceUID = tags.pop("SOPInstanceUID", None) or generate_uid(entropy_srcs=[str(path)])
    header.Modality, header.BodyPartExamined = "CR", "CHEST"
    header.Rows, header.Columns = stored.shape
    header.SamplesPerPixel, header.PixelRepresentation = 1, 0
    header.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    header.BitsAllocated = 8 * stored.itemsize
    header.BitsStored, header.HighBit = bits, bits - 1
    header.PixelData = stored.tobytes()
    header["PixelData"].VR = "OW" if stored.itemsize == 2 else "OB"
    for name, value in tags.items():
        setattr(header, name, value)

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    file = FileDataset(str(path), header, file_meta=meta, preamble=b"\0" * 128)
    if compression == "rle":
        from pydicom.uid import RLELossless

        file.compress(RLELossless, generate_instance_uid=False)
    elif compression == "jpeg":
        _encapsulate_jpeg(file, stored)
    file.save_as(path, enforce_file_format=True)


def _encapsulate_jpeg(file: Any, stored: np.ndarray) -> None:
    """JPEG baseline inside DICOM, as the SIIM-ACR and RSNA files have it; pydicom itself does not encode it."""
    from io import BytesIO

    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEGBaseline8Bit

    assert stored.dtype == np.uint8, "JPEG baseline holds 8 bits"
    buffer = BytesIO()
    Image.fromarray(stored).save(buffer, "JPEG", quality=JPEG_QUALITY)
    file.PixelData = encapsulate([buffer.getvalue()])
    file["PixelData"].VR = "OB"
    file["PixelData"].is_undefined_length = True
    file.LossyImageCompression = "01"
    file.file_meta.TransferSyntaxUID = JPEGBaseline8Bit

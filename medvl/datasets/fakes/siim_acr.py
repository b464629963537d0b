"""A miniature of the SIIM-ACR Pneumothorax Segmentation challenge."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medvl.data.rle import EMPTY, encode_rle
from medvl.datasets.fakes.frontal_images import draw_frontal, enlarge
from medvl.datasets.fakes.image_writers import write_dicom
from medvl.datasets.siim_acr import PNEUMOTHORAX, SIDE

ROOT_UID = "1.2.276.0.7230010.3.1"
UNLISTED_EVERY = 10  # of the images, one in so many has no row


def write(out: Path, *, patients: int, seed: int) -> dict[str, object]:
    """`train-rle.csv` and nested DICOM folders of phantom radiographs enlarged to 1024 x 1024, masks likewise.

    Traps: the blank before `EncodedPixels`; `-1` and ` -1`; relative runs down the columns; several rows an image,
    each a piece of its mask; folders named by study and series; images without rows; JPEG inside DICOM.

    Args:
        out: the folder to write in.
        patients: phantom patients; each has one to three images.
        seed: of the phantom.

    Returns:
        The `data:` parameters that read it.
    """
    out = Path(out)
    images = draw_frontal(patients, seed)
    lines = ["ImageId, EncodedPixels"]
    for place, (reference, pixels) in enumerate(zip(images.table["image"].to_pylist(), images.pixels, strict=True)):
        name = f"{ROOT_UID}.4.8323329.{1000 + place}.1517875{seed % 1000:03d}.{place}"
        folders = f"{ROOT_UID}.2.8323329.{1000 + place}/{ROOT_UID}.3.8323329.{1000 + place}"
        path = out / "dicom-images-train" / folders / f"{name}.dcm"
        write_dicom(path, enlarge(pixels, SIDE), bits=8, compression="jpeg", SOPInstanceUID=name)
        if place % UNLISTED_EVERY == UNLISTED_EVERY - 1:
            continue
        small = images.phantom.read_mask(reference, PNEUMOTHORAX)
        pieces = _pieces(enlarge(small.astype(np.uint8), SIDE) > 0, 1 + place % 3)
        blank = " " if place % 2 else ""
        lines += [f"{name},{blank}{runs}" for runs in map(encode_rle, pieces)] or [f"{name},{blank}{EMPTY}"]
    (out / "train-rle.csv").write_text("\n".join(lines) + "\n")
    return {"name": "siim_acr", "root": str(out)}


def _pieces(mask: np.ndarray, count: int) -> list[np.ndarray]:
    """Up to `count` bands of a mask, the lowest first, each as a mask of the whole image."""
    rows = np.flatnonzero(mask.any(1))
    bands = [band for band in np.array_split(rows, count) if len(band)]
    return [mask & np.isin(np.arange(len(mask)), band)[:, None] for band in reversed(bands)]

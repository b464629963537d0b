"""A miniature of the Montgomery County chest X-ray set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from medvl.datasets.fakes.image_writers import write_picture
from medvl.datasets.fakes.nlm_tuberculosis import Case, draw_cases, reading_of
from medvl.datasets.tuberculosis.montgomery import MASK_FOLDER, Montgomery
from medvl.datasets.tuberculosis.release import IMAGES, READINGS

TWELVE_BITS = 16  # what 8 bits are multiplied with


def write(out: Path, *, patients: int, seed: int) -> dict[str, object]:
    """`CXR_png`, `ClinicalReadings` and `ManualMask` of phantom radiographs, one a patient.

    Traps: the label in the last digit, in no order of the numbers; `Thumbs.db`; images of 12 bits beside images of 8,
    wider than high or higher than wide; ages as `027Y`, with a blank at the line's end; readings of several lines.
    The masks are ovals where a phantom's lungs about are, not outlines.

    Args:
        out: the folder to write in.
        patients: phantom patients.
        seed: of the phantom.

    Returns:
        The `data:` parameters that read it.
    """
    out = Path(out)
    (out / READINGS).mkdir(parents=True)
    for case in draw_cases(patients, seed):
        stem = case.stem(Montgomery.prefix)
        pixels = _cut(case)
        path = out / IMAGES / f"{stem}.png"
        if case.number % 2:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint16) * TWELVE_BITS).save(path)
        else:
            write_picture(path, pixels)
        for folder, centre in (("rightMask", 0.3), ("leftMask", 0.7)):  # the patient's right is on the image's left
            write_picture(out / MASK_FOLDER / folder / f"{stem}.png", _oval(pixels.shape, centre))
        (out / READINGS / f"{stem}.txt").write_text(_text(case))
    (out / IMAGES / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return {"name": "montgomery", "root": str(out)}


def _cut(case: Case) -> np.ndarray:
    """The official sizes are 4,020 x 4,892 and 4,892 x 4,020; the same ratio, either way."""
    side = len(case.pixels)
    edge = round(side * (1 - 4020 / 4892) / 2)
    return case.pixels[edge:-edge] if case.number % 4 else case.pixels[:, edge:-edge]


def _oval(shape: tuple[int, ...], centre: float) -> np.ndarray:
    y, x = ((np.arange(length) + 0.5) / length for length in shape)
    inside = ((x - centre) / 0.14) ** 2 + ((y[:, None] - 0.45) / 0.3) ** 2 <= 1
    return inside.astype(np.uint8) * 255


def _text(case: Case) -> str:
    reading = reading_of(case, ("normal",))
    if case.sick:
        reading += "\n\nscarring is seen, too"
    return f"Patient's Sex: {'F' if case.female else 'M'} \nPatient's Age: {case.age:03d}Y \n{reading}\n"

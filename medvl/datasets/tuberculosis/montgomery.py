"""`montgomery`: the Montgomery County chest X-ray set (NLM), with manual lung masks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from medvl.data.source import Source
from medvl.datasets.tuberculosis.release import IMAGES, WHERE, NlmTuberculosis
from medvl.errors import DataError, unknown

MASKS = {"Left Lung": ("leftMask",), "Right Lung": ("rightMask",), "Lungs": ("leftMask", "rightMask")}
MASK_FOLDER = "ManualMask"


class Montgomery(NlmTuberculosis):
    """138 frontal radiographs of Montgomery County's tuberculosis screening, 80 normal and 58 with tuberculosis.

    Up to 4,020 x 4,892 pixels, of 12 bits or 8 by the copy; `read_mask` gives the lungs outlined by hand
    (`Left Lung`, `Right Lung`, `Lungs`; the patient's left is on the image's right). Licence: free for research and
    education, to be cited (Jaeger et al. 2014; Candemir et al. 2014 for the masks). See `NlmTuberculosis` for traps.

    Args:
        root: the folder `MontgomerySet`, which holds `CXR_png`, and perhaps `ClinicalReadings` and `ManualMask`.
    """

    masks = tuple(MASKS)
    prefix = "MCUCXR"
    collection = "Montgomery-County-CXR-Set/MontgomerySet"
    view = "PA"  # Jaeger et al. 2014, "Montgomery County X-ray Set"
    official = MappingProxyType({"images": 138, "patients": 138})
    fake = "medvl.datasets.fakes.montgomery:write"

    def __init__(self, *, root: Path) -> None:
        self.root = Path(root)

    def read_mask(self, reference: str, label: str) -> np.ndarray:
        """A lung, or both: bool (H, W).

        Raises:
            DataError: no such mask, or its file is not there.
        """
        if label not in MASKS:
            raise DataError(f"montgomery: {unknown('mask', label, MASKS)}")
        masks = [self._outline(self.root / MASK_FOLDER / side / Path(reference).name) for side in MASKS[label]]
        return np.logical_or.reduce(masks)

    def mask_fingerprint(self) -> str:
        """See `Dataset.mask_fingerprint`: every mask file's size and time."""
        files = sorted((self.root / MASK_FOLDER).glob("*/*.png"))
        stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return hashlib.blake2b(repr((self.fingerprint(), stamps)).encode(), digest_size=8).hexdigest()

    def _outline(self, path: Path) -> np.ndarray:
        if not path.is_file():
            raise DataError(f"{path}: there is no such mask. do: get it from {WHERE.format(name=self.collection)}")
        with Image.open(path) as image:
            return np.asarray(image.convert("L")) > 0

    def sources(self) -> list[Source]:
        """See `Dataset.sources`."""
        where = WHERE.format(name=self.collection)
        masks = Source(self.root / MASK_FOLDER, f"lung masks, by the names in {IMAGES}", where, needed=False)
        return [*super().sources(), masks]

"""What the miniatures of the Shenzhen and Montgomery sets share: phantom patients, their labels and their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medvl.data.dataset import LABEL_PREFIX, PATIENT
from medvl.datasets.fakes.frontal_images import FrontalImages, draw_frontal

SUSPECT = ("Pneumonia", "Consolidation", "Lung Lesion")  # what stands in for tuberculosis


@dataclass(frozen=True)
class Case:
    """One phantom patient's first frontal radiograph.

    Attributes:
        number: as it stands in the file's name; classes are not in its order.
        sick: the label.
        side: `left` or `right`, for the reading.
        female: sex.
        age: in years.
        pixels: uint8 (H, W).
    """

    number: int
    sick: bool
    side: str
    female: bool
    age: int
    pixels: np.ndarray

    def stem(self, prefix: str) -> str:
        """The file's name without suffix."""
        return f"{prefix}_{self.number:04d}_{int(self.sick)}"


def draw_cases(patients: int, seed: int) -> list[Case]:
    """One case a patient; both labels occur from two patients on."""
    images = draw_frontal(patients, seed)
    first: dict[str, int] = {}
    for place, patient in enumerate(images.table[PATIENT].to_pylist()):
        first.setdefault(patient, place)
    cases = [_case(images, place, number) for number, place in enumerate(first.values(), 1)]
    if len({case.sick for case in cases}) == 1 < len(cases):
        cases[-1] = replace(cases[-1], sick=not cases[-1].sick)
    return cases


def _case(images: FrontalImages, place: int, number: int) -> Case:
    row: dict[str, Any] = images.table.slice(place, 1).to_pylist()[0]
    sick = any(row[LABEL_PREFIX + name] == 1 for name in SUSPECT)
    side = "right" if number % 2 else "left"
    return Case(number, sick, side, number % 3 == 0, 20 + 7 * number % 60, images.pixels[place])


def reading_of(case: Case, variants: Sequence[str]) -> str:
    """What the radiologist wrote; `variants` are other ways to say normal."""
    if not case.sick:
        return variants[case.number % len(variants)]
    return f"PTB in the {case.side} upper field"

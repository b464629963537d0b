"""Where the phantom's radiographs are taken: who comes to a hospital, how they are placed, and what its machine does.

Two sites share the anatomy, the signs, and what a sign is called: a label means the same at both. Everything else
differs, as between two real hospitals (Huang 2023, section 3.1, tests on such out-of-distribution targets).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SiteName = Literal["a", "b"]


@dataclass(frozen=True)
class Site:
    """One hospital. Tuples with five entries go by `CONTEXTS`: infection, surgery, heart, malignancy, injury."""

    people: int  # mixed into the seed, so that no two sites share a patient
    contexts: tuple[float, ...]  # why patients come; sums to 1
    portable: tuple[float, ...]  # how often the frontal view is AP
    rates: dict[str, float]  # sign or device -> factor on how often it is present; 1 where not named
    age: float  # mean, in years
    stout: float  # mean thickness of soft tissue, in standard deviations of site a
    zoom: float  # size of the body in the image
    stretch: float  # its width over its height
    blur: float  # of the detector: standard deviation as a fraction of the image's side; 0 for none
    noise: tuple[float, float]  # standard deviation of the detector's noise, in attenuation
    scatter: tuple[float, float]  # standard deviation of scattered radiation, in attenuation
    level: float  # attenuation that is displayed black
    width: float  # from black to white
    gamma: float  # natural logarithm of the display curve's exponent; positive is darker

    def mixed(self, seed: int) -> int:
        """The seed of everything that is drawn at this site, a signed 64-bit number as `seed` is."""
        return seed ^ self.people


SITES: dict[str, Site] = {
    "a": Site(
        people=0,
        contexts=(0.24, 0.19, 0.17, 0.20, 0.20),
        portable=(0.35, 0.65, 0.40, 0.20, 0.45),
        rates={},
        age=60,
        stout=0.0,
        zoom=1.0,
        stretch=1.0,
        blur=0.0,
        noise=(0.012, 0.024),
        scatter=(0.008, 0.020),
        level=0.03,
        width=1.08,
        gamma=0.05,
    ),
    # An outpatient clinic with an old storage-phosphor reader: few portable films, a wider field, heavier patients,
    # soft and noisy detection, and a bright, flat display.
    "b": Site(
        people=0x5EED_0B5E,
        contexts=(0.30, 0.12, 0.14, 0.28, 0.16),
        portable=(0.08, 0.25, 0.12, 0.04, 0.15),
        rates={
            "focal": 0.85, "diffuse": 0.75, "heart": 1.35, "effusion": 0.70, "pneumothorax": 0.90,
            "tube": 0.3, "line": 0.8, "pacemaker": 1.5,
        },
        age=52,
        stout=1.0,
        zoom=0.90,
        stretch=1.07,
        blur=0.006,
        noise=(0.030, 0.050),
        scatter=(0.015, 0.035),
        level=-0.05,
        width=1.35,
        gamma=-0.22,
    ),
}  # fmt: skip

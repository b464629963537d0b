"""Age and sex of phantom patients, for index files that tell them."""

from __future__ import annotations

import numpy as np

from medvl.datasets.phantom.cases import draw_studies


def ages_and_sexes(patients: int, seed: int) -> list[tuple[int, str]]:
    """(age in years, `F` or `M`) of each of the phantom's patients, in order."""
    studies = draw_studies(seed, np.arange(patients))
    first = np.unique(studies.patient, return_index=True)[1]
    return [
        (age, "F" if female else "M")
        for age, female in zip(studies.age[first].tolist(), studies.female[first].tolist(), strict=True)
    ]

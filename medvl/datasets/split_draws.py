"""Validation sets that readers draw where the owner gives none; a seed fixes them for ever."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from medvl.data.patients import codes_of, keyed_hashes

_PURPOSE = "validation"


def drawn_patients(patients: pa.ChunkedArray, share: float, seed: int) -> np.ndarray:
    """(N,) bool: the rows of a share of the patients; each patient's side is a function of its id and the seed alone.

    Args:
        patients: (N,) ids.
        share: in [0, 1), of the patients.
        seed: of the draw.
    """
    codes, ids = codes_of(patients)
    return (keyed_hashes(ids, seed, _PURPOSE) / 2.0**64 < share)[codes]


def drawn_images(images: pa.ChunkedArray, number: int, seed: int) -> np.ndarray:
    """(N,) bool: exactly `number` rows, or all where there are fewer, whoever their patients are.

    Args:
        images: (N,) distinct references.
        number: how many.
        seed: of the draw.
    """
    order = np.argsort(keyed_hashes(images.combine_chunks(), seed, _PURPOSE), kind="stable")
    drawn = np.zeros(len(images), bool)
    drawn[order[:number]] = True
    return drawn

"""How well a predicted mask covers a reference, from counts of pixels."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

Overlap = Literal["med_dice", "dice", "iou"]
OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)


def overlap(measure: Overlap, both: np.ndarray, predicted: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """A measure of each case, NaN where the measure leaves a case out.

    - `dice`: 2 both / (predicted + reference), of cases whose reference has a pixel.
    - `iou`: both / (predicted + reference - both), of the same cases.
    - `med_dice`: Dice of all cases; one whose reference is empty scores 1 if the prediction is empty too, else 0. So
      MRM's released code (Zhou 2023) counts, under the name medDice. Where most references are empty it tells more of
      false alarms than of outlines.

    Args:
        measure: which.
        both, predicted, reference: pixels, of one shape.
    """
    both, predicted, reference = (np.asarray(each, np.float64) for each in (both, predicted, reference))
    empty = reference == 0
    joined = predicted + reference
    top, below = (both, joined - both) if measure == "iou" else (2 * both, joined)
    found = np.divide(top, below, out=np.zeros_like(top), where=~empty)
    return np.where(empty, predicted == 0 if measure == "med_dice" else np.nan, found)

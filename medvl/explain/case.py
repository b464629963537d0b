"""A case that is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from medvl.data.shown_boxes import Box


@dataclass(frozen=True)
class Case:
    """A case as the stage sees it.

    Attributes:
        row: of the study table, or of that of its questions.
        key: the hash of its image, as in the stage's predictions.
        pixels: uint8 (H, W), what the image encoder sees.
        text: what the stage reads or writes beside it; empty where it has none.
        labels: finding -> 1, 0, or NaN where unknown.
        boxes: those of its findings that are shown.
    """

    row: int
    key: str
    pixels: np.ndarray
    text: str
    labels: dict[str, float]
    boxes: tuple[Box, ...] = field(default=())

    @property
    def positives(self) -> list[str]:
        """The findings that it has."""
        return [name for name, value in self.labels.items() if value == 1]

"""What a view is: a recipe from stored uint8 radiographs to what a model sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    import numpy as np
    import torch

    from medvl.data.random import SampleRandom


class View(nn.Module, ABC):
    """Augments whole uint8 batches on the device, each sample by its own random parameters.

    The parameters of a sample are drawn by (seed, epoch, index) alone: same seed, same pixels, whatever the
    batch size or the number of processes.

    Attributes:
        size: side in pixels of what comes out.
        source: side in pixels that the decoded-image store must hold.
        flip: probability that left and right change places; text that says left or right then lies.
        carries_masks: `masks` is there.
    """

    size: int
    source: int
    flip: float = 0.0
    carries_masks: bool = False

    @abstractmethod
    def draw(self, random: SampleRandom) -> dict[str, np.ndarray]:
        """Random parameters for the samples of `random`: name -> (B, ...) float32."""

    @abstractmethod
    def forward(self, images: torch.Tensor, parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        """(B, source, source) uint8 and the drawn parameters on the same device -> (B, 1, size, size) float."""

    @abstractmethod
    def fixed(self) -> View:
        """The same recipe without randomness, for validation, test and prediction; itself where it has none."""

    def masks(self, masks: torch.Tensor, parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        """(B, K, source, source) bool -> (B, K, size, size) bool: what stands where, in what `forward` gives."""
        raise NotImplementedError

    @property
    def window(self) -> tuple[float, float, float, float] | None:
        """What `fixed` shows: left, top, right, bottom as fractions of the stored square; None where it is no upright
        rectangle, or not known. Pictures draw boxes by it."""
        return None

    def sizes(self, name: str) -> dict[str, int]:
        """Fields that a batch gets from this view under `name`, and their sides: `name` itself, of `size`, for most."""
        return {name: self.size}

    def fields(self, name: str, images: torch.Tensor, parameters: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The fields that `sizes` names, from one drawing; override both where a crop is wanted at several sizes."""
        return {name: self(images, parameters)}

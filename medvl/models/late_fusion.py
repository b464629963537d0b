"""Baselines of every fusion: pooled image and text side by side, or one of them alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medvl.models.base import Fusion, Model


class Concat(Fusion):
    """Pooled image and pooled text, concatenated and mixed by one hidden layer.

    Args:
        model: with both encoders in place.
        width: D of the hidden layer and of `joint.cls`; None hands on the concatenation itself.
        dropout: on what is handed on, in [0, 1).
    """

    needs = ("image.pooled", "text.pooled")

    def __init__(self, model: Model, *, width: int | None = 512, dropout: float = 0.1) -> None:
        super().__init__()
        both = model.width("image.pooled") + model.width("text.pooled")
        self.width = width or both
        mix = [nn.Linear(both, width), nn.GELU()] if width else []
        self.mlp = nn.Sequential(*mix, nn.Dropout(dropout))

    def forward(self, model: Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"joint.cls": (B, width)}."""
        return {"joint.cls": self.mlp(torch.cat([features["image.pooled"], features["text.pooled"]], 1))}


class _Single(Fusion):
    """One modality's pooled vector as `joint.cls`; `needs` makes sure that the other encoder never runs."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.width = model.width(self.needs[0])

    def forward(self, model: Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"joint.cls": (B, D)}, the pooled vector itself."""
        return {"joint.cls": features[self.needs[0]]}


class ImageOnly(_Single):
    """The pooled image alone, as if there were no text."""

    needs = ("image.pooled",)


class TextOnly(_Single):
    """The pooled text alone, as if there were no image."""

    needs = ("text.pooled",)

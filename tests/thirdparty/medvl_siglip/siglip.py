"""SigLIP: image and text find each other by a sigmoid loss over all pairs (Zhai et al., 2023)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import medvl


class SigLIP(medvl.Objective):
    """Sigmoid loss for language-image pre-training (Zhai et al., 2023, equation 1).

    Args:
        model: gives a pooled image and a pooled text.
        dim: D of the shared space.
        temperature: what similarities are multiplied by at the start, above 0; learned.
        bias: added to them at the start, so that the many negatives do not overwhelm; learned.
    """

    views: ClassVar[tuple[str, ...]] = ("image",)
    needs = ("image.pooled", "text.pooled")

    def __init__(self, model: medvl.Model, *, dim: int = 128, temperature: float = 10.0, bias: float = -10.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise medvl.ConfigError(f"temperature must be above 0, not {temperature}")
        self.image_head = nn.Linear(model.width("image.pooled"), dim, bias=False)
        self.text_head = nn.Linear(model.width("text.pooled"), dim, bias=False)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)))
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, model: medvl.Model, batch: medvl.Batch) -> dict[str, Tensor]:
        """The loss of all B x B pairs of the batch, a sum over pairs and a mean over cases."""
        features = model(batch, self.needs)
        image = F.normalize(self.image_head(features["image.pooled"]).float(), dim=1)  # (B, D)
        text = F.normalize(self.text_head(features["text.pooled"]).float(), dim=1)  # (B, D)
        logits = image @ text.T * self.log_temperature.exp() + self.bias  # (B, B)
        same = 2 * torch.eye(len(logits), device=logits.device) - 1  # 1 on the diagonal, -1 elsewhere
        return {"siglip": -F.logsigmoid(same * logits).sum() / len(logits)}


@medvl.hookimpl
def medvl_register(registry: medvl.Registry) -> None:
    """The SigLIP objective."""
    registry.register_objective("siglip", SigLIP)

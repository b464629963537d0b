"""Two views of an image find each other among all views of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.errors import ConfigError
from medvl.losses.info_nce import full_precision


class NTXent(nn.Module):
    """Normalised temperature-scaled cross entropy (SimCLR, Chen 2020, equation 1).

    Each of the 2B views looks for its partner among the 2B - 1 others. Expects vectors of unit length; computes in
    float32 whatever the autocast.

    Args:
        temperature: divides the similarities; above 0.

    Raises:
        ConfigError: the temperature is not positive.
    """

    def __init__(self, *, temperature: float = 0.1) -> None:
        super().__init__()
        if temperature <= 0:
            raise ConfigError(f"temperature must be above 0, not {temperature}")
        self.temperature = temperature

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, D) and (B, D), row i of both from image i -> (), the mean over all 2B views."""
        with full_precision(first.device):
            views = torch.cat([first, second]).float()  # (2B, D)
            logits = (views / self.temperature) @ views.T  # (2B, 2B)
            itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
            partners = torch.arange(len(views), device=views.device).roll(len(first))  # (2B,): i <-> i + B
            return F.cross_entropy(logits.masked_fill(itself, -torch.inf), partners)

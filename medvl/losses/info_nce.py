"""InfoNCE over one positive and a bank of negatives."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.errors import ConfigError


class InfoNCE(nn.Module):
    """Cross entropy of finding a query's positive key among negatives (van den Oord 2018; MoCo, He 2020, eq. 1).

    Expects vectors of unit length; computes in float32 whatever the autocast, because a 16-bit similarity divided
    by a small temperature has too few digits left.

    Args:
        temperature: divides the similarities; above 0.

    Raises:
        ConfigError: the temperature is not positive.
    """

    def __init__(self, *, temperature: float = 0.07) -> None:
        super().__init__()
        if temperature <= 0:
            raise ConfigError(f"temperature must be above 0, not {temperature}")
        self.temperature = temperature

    def logits(self, query: Tensor, key: Tensor, negatives: Tensor) -> Tensor:
        """Similarities over temperature, the positive in column 0: (B, D), (B, D), (K, D) -> (B, 1 + K)."""
        with full_precision(query.device):
            scaled = query.float() / self.temperature  # (B, D): cheaper than dividing (B, 1 + K) logits
            positive = (scaled * key.float()).sum(dim=1, keepdim=True)  # (B, 1)
            return torch.cat([positive, scaled @ negatives.float().T], dim=1)  # (B, 1 + K)

    def forward(self, query: Tensor, key: Tensor, negatives: Tensor) -> Tensor:
        """Mean over the queries: (B, D), (B, D), (K, D) -> ()."""
        logits = self.logits(query, key, negatives)
        positive = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
        return F.cross_entropy(logits, positive)


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast; the meta device, on which shapes are checked, knows none."""
    known = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if known else nullcontext()

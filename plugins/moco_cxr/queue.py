"""The queue of negatives: a ring of the latest keys."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class KeyQueue(nn.Module):
    """The last `size` keys, oldest overwritten first; takes any number of keys at a time.

    The layout is (K, D), a key per row, which is how keys arrive. Published checkpoints hold the transpose,
    [dim, K].

    Args:
        size: K.
        dim: D.

    Attributes:
        keys: (K, D) unit vectors; random ones until they are overwritten.
        pointer: () int64, the row that is overwritten next; stays on the device, so that nothing waits for it.
    """

    keys: Tensor
    pointer: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("keys", F.normalize(torch.randn(size, dim), dim=1))  # (K, D)
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Write (B, D) keys from the pointer on, wrapping around; of more than K keys the last K stay."""
        size = len(self.keys)
        skipped = max(len(keys) - size, 0)  # would be overwritten within this call
        rows = torch.arange(skipped, len(keys), device=keys.device)
        self.keys[(self.pointer + rows) % size] = keys[skipped:].to(self.keys.dtype)
        self.pointer.add_(len(keys)).remainder_(size)

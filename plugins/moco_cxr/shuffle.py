"""Shuffle-BN: batch statistics over samples of every process, so that they do not give the positive away."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

import medvl


@torch.no_grad()
def shuffle(images: Tensor) -> tuple[Tensor, Tensor]:
    """Deal the samples of all processes out again, at random (MoCo, He 2020, section 3.3).

    Args:
        images: (B, C, H, W); B is the same on every process.

    Returns:
        (B, C, H, W), this process's hand, and (ranks * B,) int64, for `unshuffle`: where each sample went.
    """
    everyone = medvl.gather(images)  # (ranks * B, C, H, W)
    order = torch.randperm(len(everyone), device=images.device)
    if medvl.world()[1] > 1:
        dist.broadcast(order, src=0)
    return everyone[_share(order)], order.argsort()


@torch.no_grad()
def unshuffle(features: Tensor, places: Tensor) -> Tensor:
    """Bring the features of a hand back to the processes that the samples came from: (B, D) -> (B, D)."""
    return medvl.gather(features)[_share(places)]


def _share(rows: Tensor) -> Tensor:
    """This process's part of (ranks * B,) row numbers."""
    rank, processes = medvl.world()
    return rows.chunk(processes)[rank]

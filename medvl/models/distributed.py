"""Gathering tensors over processes; with a single process each function gives its argument back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

_apart = False  # whether this process is inside `apart`


def world() -> tuple[int, int]:
    """(rank, number of processes); as if there were no others inside `apart`."""
    if not _apart and dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


@contextmanager
def apart() -> Iterator[None]:
    """Inside, nothing is gathered: when processes evaluate, they have different numbers of batches and of cases."""
    global _apart
    before, _apart = _apart, True
    try:
        yield
    finally:
        _apart = before


@torch.no_grad()
def gather(tensor: Tensor) -> Tensor:
    """Rows of every process, in rank order, without gradient: (B, ...) -> (ranks * B, ...); B equal on all."""
    _, size = world()
    if size == 1:
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(size)]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tensor):  # type: ignore[no-untyped-def]
        ctx.rows = tensor.shape[0]
        return gather(tensor)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        # every process holds a loss over the gathered rows; the sum over them is this process's share
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        rank, _ = world()
        return gradient[rank * ctx.rows : (rank + 1) * ctx.rows]


def gather_with_gradient(tensor: Tensor) -> Tensor:
    """Like `gather`, and gradients flow back to the process a row came from (summed over processes)."""
    if world()[1] == 1:
        return tensor
    return _Gather.apply(tensor)

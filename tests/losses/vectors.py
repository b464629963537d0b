"""What the tests of contrastive losses compare: unit vectors, and their similarity written out."""

import torch
import torch.nn.functional as F


def vectors(rows: int, seed: int, width: int = 6) -> torch.Tensor:
    """(rows, width) of unit length, the same for the same seed."""
    return F.normalize(torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def dot(one: torch.Tensor, other: torch.Tensor) -> float:
    """The inner product of two (D,) vectors."""
    return sum(a * b for a, b in zip(one.tolist(), other.tolist(), strict=True))

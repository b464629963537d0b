"""Projection heads: from the width of an encoder to the space of a loss."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Head = Literal["mlp_bn", "mlp", "residual"]


def projection(width: int, dim: int, kind: Head) -> nn.Module:
    """A head of language-image objectives: (B, width) -> (B, dim).

    `mlp_bn` is linear, batch norm, ReLU, linear (Huang 2023: batch norm in all projectors); `mlp` the same without
    batch norm (ConVIRT, Zhang 2022, and the released code); `residual` the head of the released CLIP.
    """
    if kind == "residual":
        return ResidualHead(width, dim)
    return mlp(width, dim, dim, norm=kind == "mlp_bn")


def mlp(width: int, hidden: int, dim: int, norm: bool) -> nn.Sequential:
    """(B, width) -> (B, dim) over one hidden layer; batch norm takes the place of its bias."""
    inner = [nn.BatchNorm1d(hidden)] if norm else []
    return nn.Sequential(nn.Linear(width, hidden, bias=not norm), *inner, nn.ReLU(), nn.Linear(hidden, dim))


def expander(width: int, dim: int) -> nn.Sequential:
    """VICReg's (Bardes 2022, section 4.2): three layers of D, the last without bias: (B, width) -> (B, dim)."""
    return nn.Sequential(
        nn.Linear(width, dim), nn.BatchNorm1d(dim), nn.ReLU(),
        nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.ReLU(),
        nn.Linear(dim, dim, bias=False),
    )  # fmt: skip


class ResidualHead(nn.Module):
    """Linear, then GELU, linear and dropout beside it, then LayerNorm: (B, width) -> (B, dim)."""

    def __init__(self, width: int, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.projection = nn.Linear(width, dim)
        self.fc = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)
        self.layer_norm = nn.LayerNorm(dim)

    def forward(self, features: Tensor) -> Tensor:
        """(B, width) -> (B, dim)."""
        projected = self.projection(features)
        return self.layer_norm(projected + self.dropout(self.fc(F.gelu(projected))))


def unit(vectors: Tensor) -> Tensor:
    """(B, D) -> (B, D) float32 of length 1."""
    return F.normalize(vectors.float(), dim=1)

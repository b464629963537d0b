"""SimCLR: two views of a radiograph find each other among those of a batch."""

from __future__ import annotations

from torch import Tensor

import medvl
from medvl.losses import NTXent

from .heads import mlp, unit
from .two_views import TwoViews


class SimCLR(TwoViews):
    """SimCLR (Chen 2020) as in Huang 2023; the paper and the released code agree.

    Args:
        model: gives a pooled image.
        hidden, dim: widths of the head's two layers; batch norm between them.
        temperature: divides the similarities; above 0.

    Raises:
        ConfigError: the temperature is not positive.
    """

    def __init__(self, model: medvl.Model, *, hidden: int = 512, dim: int = 128, temperature: float = 0.1) -> None:
        super().__init__(mlp(model.width("image.pooled"), hidden, dim, norm=True))
        self.loss = NTXent(temperature=temperature)

    def forward(self, model: medvl.Model, batch: medvl.Batch) -> dict[str, Tensor]:
        """The loss of `batch["view_a"]` and `batch["view_b"]`, under `nt_xent`."""
        first, second = self.project(model, batch)
        return {"nt_xent": self.loss(unit(first), unit(second))}

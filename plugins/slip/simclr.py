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
        chunk: views scored at once, for batches whose square is too large for the memory; None scores all at once.

    Raises:
        ConfigError: the temperature is not positive, or chunk is below 1.
    """

    def __init__(
        self,
        model: medvl.Model,
        *,
        hidden: int = 512,
        dim: int = 128,
        temperature: float = 0.1,
        chunk: int | None = None,
    ) -> None:
        super().__init__(mlp(model.width("image.pooled"), hidden, dim, norm=True))
        self.loss = NTXent(temperature=temperature, chunk=chunk)

    def compare(self, embedded: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss under `nt_xent`: each process scores its own views against those of all."""
        first, second = (unit(embedded[view]) for view in self.views)
        loss = self.loss(
            first,
            second,
            firsts=medvl.gather_with_gradient(first),
            seconds=medvl.gather_with_gradient(second),
            offset=medvl.world()[0] * len(first),
        )
        return {"nt_xent": loss}

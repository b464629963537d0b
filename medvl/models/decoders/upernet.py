"""UPerNet's decoder, as transformers has it."""

from __future__ import annotations

from types import MappingProxyType

from torch import Tensor, nn

from medvl.models.base import Model
from medvl.models.decoders.base import Decoder, levels
from medvl.models.decoders.pyramid import Pyramid


class UperNet(Decoder):
    """UPerNet (Xiao 2018, arXiv:1807.10221): pooling on the deepest level, a feature pyramid, all levels joined.

    The head of `transformers`, built from its configuration alone: nothing is fetched. Its classifier is left out,
    since the objective has one. Batch norm: a batch of one case cannot train it.

    Args:
        model: its image encoder gives levels.
        width: D of the map, and of all within.
        pool_scales: cells a side that the deepest level is pooled to.
    """

    smoke = MappingProxyType({"width": 16})

    def __init__(self, model: Model, *, width: int = 512, pool_scales: tuple[int, ...] = (1, 2, 3, 6)) -> None:
        from transformers import UperNetConfig
        from transformers.models.upernet.modeling_upernet import UperNetHead

        super().__init__()
        self.needs = levels(model, "upernet")
        self.width = width
        self.pyramid = Pyramid(model, self.needs)
        self.head = UperNetHead(UperNetConfig(hidden_size=width, pool_scales=pool_scales), self.pyramid.widths)
        self.head.classifier = nn.Identity()

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """The levels -> (B, width, h, w), of the finest level's height and width."""
        return self.head(self.pyramid([features[name] for name in self.needs]))

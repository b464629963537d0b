"""A convolution on a single level: what an auxiliary loss is put on."""

from __future__ import annotations

from types import MappingProxyType

from torch import Tensor, nn

from medvl.errors import ConfigError
from medvl.models.base import Model
from medvl.models.decoders.base import Decoder, levels


class Fcn(Decoder):
    """A 3 x 3 convolution, batch norm and ReLU on one level (a fully convolutional head: Long 2015, arXiv:1411.4038).

    Args:
        model: its image encoder gives levels.
        level: which of them, from 1.
        width: D of the map.

    Raises:
        ConfigError: there is no such level.
    """

    smoke = MappingProxyType({"width": 16})

    def __init__(self, model: Model, *, level: int = 3, width: int = 256) -> None:
        super().__init__()
        known = levels(model, "fcn")
        if f"image.level{level}" not in known:
            raise ConfigError(f"level is {level}; this image encoder has levels 1 to {len(known)}")
        self.needs = (f"image.level{level}",)
        self.width = width
        convolution = nn.Conv2d(model.width(self.needs[0]), width, 3, padding=1, bias=False)
        self.layers = nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """The level -> (B, width, h, w)."""
        return self.layers(features[self.needs[0]])

"""A light decoder: levels are brought to one width, added from the deepest up, and read at the finest."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from medvl.models.base import Model
from medvl.models.decoders.base import Decoder, levels
from medvl.models.decoders.pyramid import Pyramid

_GROUP = 16  # channels that are normalised together


class Fpn(Decoder):
    """A feature pyramid (Lin 2017, arXiv:1612.03144) without its heads: the finest level, told what the deeper see.

    Group norm, so that small batches do as well as large ones.

    Args:
        model: its image encoder gives levels.
        width: D of the map.
    """

    def __init__(self, model: Model, *, width: int = 128) -> None:
        super().__init__()
        self.needs = levels(model, "fpn")
        self.width = width
        self.pyramid = Pyramid(model, self.needs)
        self.lateral = nn.ModuleList(nn.Conv2d(each, width, 1) for each in self.pyramid.widths)
        self.smooth = nn.ModuleList(_block(width) for _ in self.needs)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """The levels -> (B, width, h, w), of the finest level's height and width."""
        maps = self.pyramid([features[name] for name in self.needs])
        *finer, seen = (lateral(each) for lateral, each in zip(self.lateral, maps, strict=True))
        seen = self.smooth[-1](seen)
        for smooth, each in zip(reversed(self.smooth[:-1]), reversed(finer), strict=True):
            seen = smooth(each + F.interpolate(seen, each.shape[-2:], mode="bilinear", align_corners=False))
        return seen


def _block(width: int) -> nn.Sequential:
    groups = max(1, width // _GROUP) if width % _GROUP == 0 else 1
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(groups, width), nn.GELU())

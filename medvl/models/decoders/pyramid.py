"""Levels of one size as a pyramid: what a plain vision transformer lacks and decoders expect."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from medvl.models.base import Model
from medvl.models.decoders.base import widths


class Pyramid(nn.Module):
    """Maps of several depths, each half the size of the one before it.

    Levels that already differ in size go through as they are. Those of a plain ViT have one size: the last but one
    keeps it, the ones before are enlarged by transposed convolutions, two and four times, and the last is halved by a
    maximum (the neck under a UPerNet in BEiT, Bao 2022, and in the released code of MRM).

    Args:
        model: gives the levels.
        names: features, the deepest last.
    """

    def __init__(self, model: Model, names: Sequence[str]) -> None:
        super().__init__()
        self.widths = widths(model, names)
        flat = len(names) > 1 and len({model.features()[name].grid for name in names}) == 1
        keeps = len(names) - 2  # the level that stays as it is
        steps = [_scaled(keeps - place, width) if flat else nn.Identity() for place, width in enumerate(self.widths)]
        self.steps = nn.ModuleList(steps)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """(B, D, h, w) of each level -> the same, in sizes that fall."""
        return [step(each) for step, each in zip(self.steps, maps, strict=True)]


def _scaled(doublings: int, width: int) -> nn.Module:
    """A map enlarged so many times by two; -1 halves it."""
    if doublings < 0:
        return nn.MaxPool2d(2, ceil_mode=True)
    layers: list[nn.Module] = []
    for step in range(doublings):
        layers += [nn.BatchNorm2d(width), nn.GELU()] if step else []
        layers.append(nn.ConvTranspose2d(width, width, 2, stride=2))
    return nn.Sequential(*layers)

"""An encoder's stages in reverse: residual blocks from the deepest map back to the size of the image."""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal

import torch.nn.functional as F
from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from medvl.errors import ConfigError
from medvl.models.base import Model
from medvl.models.decoders.base import Decoder, levels, widths

_BLOCKS: dict[str, Any] = {"basic": BasicBlock, "bottleneck": Bottleneck}


class Mirror(Decoder):
    """The mirror image of a convolutional encoder, which reads its deepest map alone: what an autoencoder needs.

    Each level of the encoder is met again, from the deepest to the finest, with its width and its size: residual blocks
    of a ResNet (He 2016), in front of which the map is enlarged to the level's size. Then `stem` doubles it as often as
    it has widths, each time followed by a 3 x 3 convolution, batch norm and ReLU.

    Args:
        model: its image encoder gives levels.
        blocks: how many at each level, the finest level first, as a ResNet's depths are written: (2, 2, 2, 2) are a
            ResNet-18's, (3, 4, 6, 3) a ResNet-50's. Of an encoder with fewer levels the last ones count.
        block: `basic` as in ResNet-18, `bottleneck` as in ResNet-50.
        stem: widths of the doublings behind the finest level. Two mirror a ResNet's stem, of which a convolution and a
            pooling halve the image.

    Raises:
        ConfigError: fewer numbers of blocks than levels, or a width that the blocks cannot have.
    """

    smoke = MappingProxyType({"blocks": (1, 1, 1, 1)})

    def __init__(
        self,
        model: Model,
        *,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
        block: Literal["basic", "bottleneck"] = "basic",
        stem: tuple[int, ...] = (64, 64),
    ) -> None:
        super().__init__()
        names = levels(model, "mirror")
        self.needs = names[-1:]
        known = model.features()
        self.sizes = [known[name].grid for name in reversed(names)]
        rising = widths(model, names)[::-1]  # from the deepest
        _check(blocks, rising, block)
        depths = tuple(blocks)[-len(names) :][::-1]
        stages = zip([rising[0], *rising], rising, depths, strict=False)
        self.stages = nn.ModuleList(_stage(before, width, depth, block) for before, width, depth in stages)
        self.stem = nn.ModuleList(_convolution(*each) for each in pairwise([rising[-1], *stem]))
        self.width = [*rising, *stem][-1]

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """The deepest level -> (B, D, h, w), the finest level's size doubled once for each of `stem`."""
        seen = features[self.needs[0]]
        for stage, size in zip(self.stages, self.sizes, strict=True):
            seen = stage(seen if seen.shape[-2:] == size else F.interpolate(seen, size, mode="nearest"))
        for convolution in self.stem:
            seen = convolution(F.interpolate(seen, scale_factor=2.0, mode="nearest"))
        return seen


def _stage(before: int, width: int, depth: int, kind: str) -> nn.Sequential:
    """So many blocks of one width, the first of which brings the map to it."""
    block = _BLOCKS[kind]
    inner = width // block.expansion
    shortcut = None
    if before != width:
        shortcut = nn.Sequential(nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width))
    return nn.Sequential(block(before, inner, downsample=shortcut), *(block(width, inner) for _ in range(depth - 1)))


def _convolution(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())


def _check(blocks: tuple[int, ...], rising: list[int], block: str) -> None:
    if len(blocks) < len(rising) or min(blocks) < 1:
        raise ConfigError(f"blocks {list(blocks)}: one number above 0 is needed for each of {len(rising)} levels")
    expansion = _BLOCKS[block].expansion
    odd = [width for width in rising if width % expansion]
    if odd:
        raise ConfigError(
            f"block: {block} has widths that {expansion} divides, and this encoder has levels of {odd[0]}. "
            "do: write block: basic"
        )

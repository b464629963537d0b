"""What a decoder is: it makes one map of an image encoder's features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from torch import Tensor, nn

from medvl.errors import ConfigError
from medvl.models.base import Model
from medvl.models.levels import LEVELS


class Decoder(nn.Module):
    """From features of the image to one map, on which an objective puts a classifier.

    The constructor's first parameter is `model` (`medvl.Model`, weights in place); keyword-only parameters are the
    YAML's.

    Attributes:
        needs: the features of the image that it reads.
        width: D of its map.
        smoke: parameters and what they are at most, or instead, in a smoke run (`medvl.config.smoke`).
    """

    smoke: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    needs: tuple[str, ...]
    width: int

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """The needed features -> (B, D, h, w), of any height and width."""
        raise NotImplementedError


def levels(model: Model, who: str) -> tuple[str, ...]:
    """Names of the maps of several depths that a model's image encoder gives, the deepest last.

    Args:
        model: with an image encoder in place.
        who: the decoder that wants them, for the message.

    Raises:
        ConfigError: it gives none.
    """
    names = tuple(f"image.{level}" for level in LEVELS if f"image.{level}" in model.features())
    if not names:
        raise ConfigError(
            f"decoder '{who}' reads maps of several depths, and the image encoder gives none. do: take decoder "
            "'linear', or an encoder with levels: most models of timm have some"
        )
    return names


def widths(model: Model, names: Sequence[str]) -> list[int]:
    """D of each of these features."""
    return [model.width(name) for name in names]

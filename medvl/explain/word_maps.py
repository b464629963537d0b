"""From a transformer's attention to a map of the image for each word."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medvl.errors import ConfigError
from medvl.models.base import Batch, Model
from medvl.models.places import JointPlaces


@dataclass(frozen=True)
class ColumnMaps:
    """What each column of a text looks at.

    Attributes:
        maps: (T, h, w) attention on each cell of the image; all 0 where a column stands not in the sequence.
    """

    maps: Tensor

    @property
    def shares(self) -> Tensor:
        """(T,) the share of a column's attention that is on the image."""
        return self.maps.sum((1, 2))


@torch.no_grad()
def column_maps(
    model: Model, batch: Batch, *, layer: int | None = None, head: int | None = None, rollout: bool = False
) -> ColumnMaps | None:
    """Maps of one case's text.

    Args:
        model: with a fusion, in evaluation mode; its text encoder shows attentions.
        batch: one case.
        layer: whose attention, 1 the lowest; the last where None.
        head: 1 the first; the mean of all where None.
        rollout: through all layers up to that one.

    Returns:
        None where the fusion has no places for image and text.

    Raises:
        ConfigError: no such layer or head.
    """
    assert model.fusion is not None and model.text is not None
    places = model.fusion.places(model, batch["text.ids"].shape[1])
    if places is None:
        return None
    features = model(batch, model.expand(("joint.tokens",)))
    with model.text.attentions() as layers:
        model.fusion(model, features)
    return ColumnMaps(on_image(attention_of(layers, layer, head, rollout), places))


def attention_of(layers: list[Tensor], layer: int | None, head: int | None, rollout: bool) -> Tensor:
    """(S, S) of one case: rows look, columns are looked at.

    Args:
        layers: (1, heads, S, S) each, lowest first.
        layer, head, rollout: as of `column_maps`.

    Raises:
        ConfigError: no such layer or head.
    """
    heads = layers[0].shape[1]
    for what, asked, known in (("layer", layer, len(layers)), ("head", head, heads)):
        if asked is not None and not 1 <= asked <= known:
            raise ConfigError(f"--{what} {asked}: the joint transformer has {known}. do: give 1 to {known}")
    upto = [one[0].mean(0) if head is None else one[0, head - 1] for one in layers[:layer]]  # (S, S) each
    return rolled_out(upto) if rollout else upto[-1]


def rolled_out(layers: list[Tensor]) -> Tensor:
    """Attention rollout (Abnar and Zuidema 2020, section 3): the layers' product, half of each the residual path."""
    result = torch.eye(len(layers[0]))
    for attention in layers:
        result = (0.5 * attention + 0.5 * torch.eye(len(attention))) @ result
    return result


def on_image(attention: Tensor, places: JointPlaces) -> Tensor:
    """(S, S) -> (T, h, w): each column's attention on each cell; 0 for what is not in the sequence."""
    found = attention[places.text][:, places.image]  # (T, cells)
    there = (places.text >= 0)[:, None] & (places.image >= 0)
    return found.where(there, 0).unflatten(1, places.grid)

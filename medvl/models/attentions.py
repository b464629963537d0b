"""The attention probabilities of a Hugging Face encoder, as its layers compute them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel

NAME = "medvl_watched"


@contextmanager
def watched(transformer: PreTrainedModel) -> Iterator[list[Tensor]]:
    """Inside, every pass appends the probabilities of each layer, (B, heads, S, S), lowest first, rows sum to 1.

    They come of the layer's own queries, keys, scale and mask, and weigh its values: the pass gives what it would give
    under scaled-dot-product attention, up to rounding. That writes no probabilities down, and transformers' `eager`
    attention, which does, adds a boolean mask to the scores as 0 and 1.

    Args:
        transformer: a model whose attention goes through transformers' interface; its masks come dense.
    """
    maps: list[Tensor] = []
    before = transformer.config._attn_implementation
    AttentionInterface.register(NAME, partial(_attend, maps))
    transformer.config._attn_implementation = NAME
    try:
        yield maps
    finally:
        transformer.config._attn_implementation = before


def _attend(
    maps: list[Tensor], module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
    dropout: float = 0.0, scaling: float | None = None, **rest: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """What transformers calls in every layer: (B, heads, S, D / heads) each -> (B, S, heads, D / heads)."""
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None and attention_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attention_mask, -torch.inf)
    elif attention_mask is not None:
        scores = scores + attention_mask
    probabilities = scores.softmax(-1)  # (B, heads, S, S)
    maps.append(probabilities.detach())
    weights = nn.functional.dropout(probabilities, dropout)
    return (weights @ value).transpose(1, 2).contiguous(), None

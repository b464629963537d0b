"""Attention-mask schemes: pure functions of the layout of a joint sequence, True = may attend."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from medvl.contract import Layout


def bidirectional(layout: Layout) -> Tensor:
    """Everything real sees everything real: (B, S) over keys."""
    text = _real_text(layout)
    return torch.cat([text.new_ones(text.shape[0], layout.prefix), text], 1)


def seq2seq(layout: Layout) -> Tensor:
    """Every row sees the prefix; a text row also sees the real text up to itself (Dong 2019, UniLM): (B, S, S).

    The prefix sees no text, so what is read at [CLS] knows the image alone.
    """
    size = layout.prefix + layout.text
    keys = bidirectional(layout)
    at = torch.arange(size, device=keys.device)
    visible = (at[None, :] <= at[:, None]) | (at[None, :] < layout.prefix)  # (S, S), rows are queries
    return visible & keys[:, None, :]


def as_attention_mask(allow: Tensor) -> Tensor:
    """What scaled-dot-product attention wants: (B, S) or (B, S, S) bool -> (B, 1, 1 or S, S) bool over heads.

    Only SDPA honours booleans: transformers' `eager` attention would add them to the scores as 0 and 1.
    """
    return allow[:, None, None, :] if allow.ndim == 2 else allow[:, None]


def _real_text(layout: Layout) -> Tensor:
    lengths = cast(Tensor, layout.lengths)
    return torch.arange(layout.text, device=lengths.device) < lengths[:, None]  # (B, T)

"""FlexAttention under a Hugging Face encoder: block masks on a GPU, dense ones wherever those come in."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "medvl_flex"


def enable(transformer: PreTrainedModel) -> None:
    """Let an encoder that runs on SDPA take block masks too.

    The kernel has no dropout of attention probabilities, so the encoder's is switched off whichever mask comes.
    """
    AttentionInterface.register(NAME, _attend)
    transformer.config._attn_implementation = NAME
    for part in transformer.modules():
        if type(part).__name__.endswith("SelfAttention"):
            part.dropout = nn.Dropout(0.0)


def takes_blocks(device: torch.device) -> bool:
    """Whether the kernel runs there with a backward pass."""
    return device.type == "cuda"


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | BlockMask | None,
    dropout: float = 0.0, scaling: float | None = None, **rest: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """What transformers calls in every layer: (B, heads, S, D / heads) each -> (B, S, heads, D / heads)."""
    if not isinstance(attention_mask, BlockMask):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **rest
        )
    kernel = _compiled() if takes_blocks(query.device) else flex_attention
    found = kernel(query, key, value, block_mask=attention_mask, scale=scaling)
    return found.transpose(1, 2).contiguous(), None


@cache
def _compiled() -> Any:
    """Without compilation all scores would be written out."""
    return torch.compile(flex_attention)

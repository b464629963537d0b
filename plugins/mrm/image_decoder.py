"""The light transformer from kept patches to the pixels of removed ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

import medvl


class ImageDecoder(nn.Module):
    """A few blocks over kept patches and mask tokens (Zhou 2023, section 3; He 2022), and a linear map to pixels.

    A transformer does not mind the order of its input, so that nothing is put back into the order of the grid: the
    mask tokens stand at the end, and of the last block only they are computed.

    Args:
        encoder_width: D of what the image encoder gives.
        width: its own D; a multiple of `heads` and of 4.
        depth: blocks, at least 1.
        heads: of attention.
        grid: (height, width) in patches.
        outputs: values of a patch.
        exponent: of the positions, see `medvl.sincos_positions`.

    Raises:
        ConfigError: no blocks, or a width that cannot be divided.
    """

    positions: Tensor

    def __init__(
        self,
        encoder_width: int,
        *,
        width: int,
        depth: int,
        heads: int,
        grid: tuple[int, int],
        outputs: int,
        exponent: float,
    ) -> None:
        super().__init__()
        if depth < 1 or heads < 1 or width % heads:
            raise medvl.ConfigError(
                f"the image decoder cannot have {depth} blocks of width {width} with {heads} heads. do: take at least "
                "one block, and a decoder_width that decoder_heads divides"
            )
        self.embed = nn.Linear(encoder_width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("positions", medvl.sincos_positions(width, grid, exponent=exponent))  # (N, D)
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        self.blocks = nn.ModuleList(Block(width, heads, qkv_bias=True, norm_layer=norm) for _ in range(depth))
        self.norm = norm(width)
        self.predict = nn.Linear(width, outputs)
        nn.init.normal_(self.mask_token, std=0.02)
        self.apply(_xavier)

    def forward(self, tokens: Tensor, kept: Tensor, removed: Tensor, added: Tensor | None = None) -> Tensor:
        """The values of the removed patches.

        Args:
            tokens: (B, P + n, D'), class tokens and kept patches, from the encoder.
            kept: (B, n) int64, their numbers in the grid.
            removed: (B, m) int64, the numbers of the others.
            added: (B, D), added to every token.

        Returns:
            (B, m, outputs), in the order of `removed`.
        """
        first = tokens.shape[1] - kept.shape[1]
        seen = self.embed(tokens)
        seen = torch.cat([seen[:, :first], seen[:, first:] + self.positions[kept]], 1)  # (B, P + n, D)
        joined = torch.cat([seen, self.mask_token + self.positions[removed]], 1)  # (B, P + N, D)
        if added is not None:
            joined = joined + added[:, None]
        for block in self.blocks[:-1]:
            joined = block(joined)
        return self.predict(self.norm(last_of(self.blocks[-1], joined, removed.shape[1])))


def last_of(block: Any, tokens: Tensor, count: int) -> Tensor:
    """What a block of timm's gives for its last `count` tokens: (B, S, D) -> (B, count, D)."""
    attention = block.attn
    width, heads = tokens.shape[2], attention.num_heads
    weight, bias = attention.qkv.weight, attention.qkv.bias
    read, asking = block.norm1(tokens), tokens[:, -count:]
    query = F.linear(read[:, -count:], weight[:width], bias[:width])
    key, value = F.linear(read, weight[width:], bias[width:]).chunk(2, 2)
    found = F.scaled_dot_product_attention(*(x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (query, key, value)))
    asking = asking + attention.proj(found.transpose(1, 2).flatten(2))
    return asking + block.mlp(block.norm2(asking))


def _xavier(module: nn.Module) -> None:
    """As MAE and the released code start linear layers."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)

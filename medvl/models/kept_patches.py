"""A vision transformer over some of an image's patches: what is left out costs nothing."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn


def takes_kept(net: nn.Module) -> bool:
    """Whether `encode_kept` knows how this timm model is built.

    A transformer behind a CNN is none: there every patch sees its neighbours before any could be left out.
    """
    return isinstance(net, VisionTransformer) and type(net.patch_embed) is PatchEmbed


def encode_kept(net: Any, images: Tensor, keep: Tensor) -> Tensor:
    """The last layer over the kept patches alone; positions are added before the others are dropped (He 2022).

    Args:
        net: a timm model that `takes_kept`.
        images: (B, C, H, W).
        keep: (B, n) int64, numbers of the kept patches, row by row in the grid, each once, in any order.

    Returns:
        (B, P + n, D): the P class and register tokens that there are, then the kept patches in the order of `keep`.
    """
    patches = _embedded(net.patch_embed, images, keep)  # (B, n, D)
    batch, _, width = patches.shape
    # of zeros this makes the class tokens and the table of positions, whatever the model has of them
    empty = patches.new_zeros(1, *_grid(net), width)
    table = net._pos_embed(empty if net.dynamic_img_size else empty.flatten(1, 2))  # (1, P + N, D)
    first = table.shape[1] - empty.shape[1] * empty.shape[2]
    tokens = torch.cat([table[:, :first].expand(batch, -1, -1), patches + table[0, first:][keep]], 1)
    return net.norm(net.blocks(net.norm_pre(tokens)))


def _grid(net: Any) -> tuple[int, int]:
    height, width = net.patch_embed.grid_size
    return height, width


def _embedded(embed: Any, images: Tensor, keep: Tensor) -> Tensor:
    """The patch embedding of the kept patches: (B, C, H, W), (B, n) -> (B, n, D)."""
    batch, channels, height, width = images.shape
    p, q = embed.patch_size
    cells = images.view(batch, channels, height // p, p, width // q, q).permute(0, 2, 4, 1, 3, 5)
    pixels = cells.reshape(batch, -1, channels * p * q)  # (B, N, C p q), as the convolution's weights see them
    kept = pixels.gather(1, keep[..., None].expand(-1, -1, pixels.shape[2]))
    return embed.norm(F.linear(kept, embed.proj.weight.flatten(1), embed.proj.bias))

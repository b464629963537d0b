"""Fewer image tokens, by pooling their grid (Kiela 2019, section 2.2)."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn

import medvl


def nearest_square(tokens: int) -> tuple[int, int]:
    """(height, width) with height * width = tokens, height >= width, as square as divisors allow.

    The reference lists 1 to 9: 1x1, 2x1, 3x1, 2x2, 5x1, 3x2, 7x1, 4x2, 3x3; this rule gives those and goes on.
    """
    width = max(side for side in range(1, math.isqrt(tokens) + 1) if tokens % side == 0)
    return tokens // width, width


class GridPool(nn.Module):
    """Adaptive pooling of image tokens over their grid: (B, H * W, D) -> (B, tokens, D).

    Args:
        image: the encoder whose tokens come in.
        tokens: how many go out, from 1 to as many as come in.
        how: average or maximum.

    Attributes:
        shape: (height, width) of the new grid.

    Raises:
        ConfigError: the encoder's tokens have no grid, or are fewer than asked for.
    """

    def __init__(self, image: medvl.ImageEncoder, tokens: int, how: Literal["avg", "max"]) -> None:
        super().__init__()
        if image.grid is None:
            raise medvl.ConfigError(
                f"image_tokens: {tokens} pools a grid, but the image encoder's tokens have no height and width. "
                "do: leave image_tokens out"
            )
        if not 1 <= tokens <= image.tokens:
            raise medvl.ConfigError(f"image_tokens: {tokens} is not between 1 and the encoder's {image.tokens} tokens")
        self.grid = image.grid
        self.shape = nearest_square(tokens)
        self.pool = nn.AdaptiveAvgPool2d(self.shape) if how == "avg" else nn.AdaptiveMaxPool2d(self.shape)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) in rows of the grid -> (B, tokens, D) in rows of the new one."""
        cells = tokens.transpose(1, 2).unflatten(2, self.grid)  # (B, D, H, W)
        return self.pool(cells).flatten(2).transpose(1, 2)

"""Fixed tables of positions in a grid: sines and cosines of the column and of the row."""

from __future__ import annotations

import torch
from torch import Tensor

from medvl.errors import ConfigError


def sincos_positions(width: int, grid: tuple[int, int], *, exponent: float = 1.0) -> Tensor:
    """MAE's two-dimensional table (He 2022), after Vaswani 2017: half of the width for the column, half for the row.

    Each half holds sines, then cosines, of the place divided by 10000 ** (exponent * 4 i / width), i from 0 to
    width / 4 - 1.

    Args:
        width: D.
        grid: (height, width) in tokens; N in all, row by row.
        exponent: 1 for MAE's table. MRM's released code has a quarter of its exponents.

    Returns:
        (N, D) float32.

    Raises:
        ConfigError: the width cannot be divided by 4.
    """
    if width % 4:
        raise ConfigError(f"sine-cosine positions need a width that 4 divides, not {width}")
    steps = torch.arange(width // 4, dtype=torch.float64)
    frequencies = 10000.0 ** (-exponent * 4 * steps / width)  # (D / 4,)
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in grid)
    by_column = _waves(columns, frequencies)[None].expand(grid[0], -1, -1)
    by_row = _waves(rows, frequencies)[:, None].expand(-1, grid[1], -1)
    return torch.cat([by_column, by_row], 2).flatten(0, 1).float()


def _waves(places: Tensor, frequencies: Tensor) -> Tensor:
    """(L,), (F,) -> (L, 2 F)."""
    angles = places[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)

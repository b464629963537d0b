"""The geometry of masks: the pixels of `medvl.data.warp`, each taken from the nearest one, on any device."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest(masks: Tensor, matrix: Tensor, working: int, size: int, *, window: Tensor | None = None) -> Tensor:
    """What stands at every pixel of what a view shows.

    A mask is looked up where it is stored, whatever side the radiograph is scaled to in between, so that no pixel is
    lost to two samplings.

    Args:
        masks: (B, K, S, S) bool, as stored.
        matrix: (B, 2, 3) pixels of the output -> pixels of a radiograph scaled to `working`.
        working: side that `matrix` and `window` count in.
        size: side of what comes out, in pixels.
        window: (B, 4) left, top, right, bottom outside of which nothing is seen; or None.

    Returns:
        (B, K, size, size) bool, False where nothing is seen.
    """
    side = masks.shape[-1]
    steps = torch.arange(size, device=matrix.device, dtype=torch.float32) + 0.5
    rows = matrix.float()[:, :, :, None, None]  # (B, 2, 3, 1, 1)
    # element by element, as in `warp`: a matrix product may be rounded by TF32
    x, y = (rows[:, axis, 0] * steps + rows[:, axis, 1] * steps[:, None] + rows[:, axis, 2] for axis in (0, 1))
    seen = (x >= 0) & (x < working) & (y >= 0) & (y < working)  # (B, size, size)
    if window is not None:
        left, top, right, bottom = window[:, :, None, None].unbind(1)
        seen &= (x >= left) & (x < right) & (y >= top) & (y < bottom)
    column, row = ((along * (side / working)).long().clamp(0, side - 1) for along in (x, y))
    place = (row * side + column).flatten(1)[:, None].expand(-1, masks.shape[1], -1)  # (B, K, size * size)
    return masks.flatten(2).gather(2, place).unflatten(2, (size, size)) & seen[:, None]

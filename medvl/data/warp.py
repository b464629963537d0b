"""One geometric warp for a whole batch: crop, rotation and flip read the radiograph once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def warp(
    images: Tensor, size: int, *, angle: Tensor, flip: Tensor, left: Tensor, top: Tensor, window: Tensor | float
) -> Tensor:
    """Flip, then rotate about the centre, then cut a square window and scale it to `size`, all in one sampling.

    Equal to torchvision's `hflip`, `rotate` (bilinear), `crop` and a bilinear `resize` one after the other, without
    their intermediate roundings. Bilinear, not antialiased: a window much larger than `size` should be reduced
    before (`resized`). What lies outside the radiograph is 0, air.

    Args:
        images: (B, 1, S, S) float, values 0 to 255.
        size: side of what comes out, in pixels.
        angle: (B,) degrees, counter-clockwise.
        flip: (B,) 1 where left and right change places, else 0.
        left, top: (B,) corner of the window in pixels of the rotated radiograph.
        window: side of the window in the same pixels; a number, or (B,) one for each sample.

    Returns:
        (B, 1, size, size) float, contiguous.
    """
    side = images.shape[-1]
    # Not affine_grid: it is a matrix product, which TF32 or autocast would round to a tenth of a pixel, and which
    # may round differently from one batch size to the next. These products are element by element.
    steps = torch.arange(size, device=images.device, dtype=torch.float32) + 0.5
    across = steps * ((window[:, None] if isinstance(window, Tensor) else window) / size)  # (W,) or (B, W)
    x = (across + (left[:, None] - side / 2))[:, None, :]  # (B, 1, W) pixels from the centre of the radiograph
    y = (across + (top[:, None] - side / 2))[:, :, None]  # (B, H, 1)
    radians = torch.deg2rad(angle.float())
    scale = 2 / side  # grid_sample counts from -1 to 1
    cos, sin = (torch.cos(radians) * scale)[:, None, None], (torch.sin(radians) * scale)[:, None, None]
    mirror = (1 - 2 * flip)[:, None, None]
    grid = x.new_empty(len(images), size, size, 2)  # written in place: stacking two planes took four times as long
    torch.sub(cos * mirror * x, sin * mirror * y, out=grid[..., 0])
    torch.add(sin * x, cos * y, out=grid[..., 1])
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def resized(images: Tensor, side: int) -> Tensor:
    """(B, 1, S, S) float scaled to (B, 1, side, side): bilinear, antialiased where it shrinks."""
    if images.shape[-1] == side and images.shape[-2] == side:
        return images
    return functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)

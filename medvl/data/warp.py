"""The geometry of a whole batch, on any device: flip, rotation and crop read the radiograph once."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Interpolation = Literal["bilinear", "bicubic"]


def warp(images: Tensor, matrix: Tensor, size: int, *, window: Tensor | None = None) -> Tensor:
    """Sample every radiograph where its matrix says, bilinearly, in one pass.

    Equal to torchvision's `hflip`, `rotate`, `affine` and `crop` one after the other, without their intermediate
    roundings. Not antialiased: a radiograph much larger than what is seen of it should be reduced before (`resized`).

    Args:
        images: (B, 1, S, S) float, values 0 to 255.
        matrix: (B, 2, 3) pixels of the output -> pixels of the radiograph; see `medvl.data.geometry`.
        size: side of what comes out, in pixels.
        window: (B, 4) left, top, right, bottom in pixels of the radiograph, outside of which nothing is seen; or None.
            What is uncovered is 0, air.

    Returns:
        (B, 1, size, size) float, 0 to 255, contiguous.
    """
    if window is not None:
        images = images * _within(window, images.shape[-1])
    # Not affine_grid: it is a matrix product, which TF32 or autocast would round to a tenth of a pixel, and which
    # may round differently from one batch size to the next. These products are element by element.
    steps = _steps(size, matrix)
    rows = matrix[:, :, :, None, None]  # (B, 2, 3, 1, 1)
    x, y = (rows[:, axis, 0] * steps + rows[:, axis, 1] * steps[:, None] + rows[:, axis, 2] for axis in (0, 1))
    scale = 2 / images.shape[-1]  # grid_sample counts from -1 to 1
    grid = torch.stack([x * scale - 1, y * scale - 1], -1)  # (B, H, W, 2)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def stretch(
    images: Tensor, matrix: Tensor, size: int, *, window: Tensor | None = None, interpolation: Interpolation
) -> Tensor:  # fmt: skip
    """Cut, flip and scale, where no matrix turns; antialiased, one axis after the other.

    The law of Pillow, and of torchvision's antialiased `resized_crop`: the kernel widens with the reduction, weights
    outside of the window are left out and the rest sums to 1.

    Args:
        images, matrix, size, window: as for `warp`.
        interpolation: the kernel; bicubic has Pillow's a = -0.5.

    Returns:
        (B, 1, size, size) float, 0 to 255.
    """
    for axis in (1, 0):
        images = _stretched(images, axis, matrix, size, window, interpolation)
    return images.clamp(0, 255) if interpolation == "bicubic" else images


def _stretched(
    images: Tensor, axis: int, matrix: Tensor, size: int, window: Tensor | None, interpolation: Interpolation
) -> Tensor:  # fmt: skip
    """Along one axis, 0 across and 1 down."""
    dim, side = 3 - axis, images.shape[3 - axis]
    low, high = (window[:, [axis]], window[:, [axis + 2]]) if window is not None else (0, side)
    centre = matrix[:, axis, axis, None] * _steps(size, matrix) + matrix[:, axis, 2, None]  # (B, size)
    wide = matrix[:, axis, axis, None].abs().clamp(min=1)  # (B, 1) pixels that one of the output covers
    reach = 1 if interpolation == "bilinear" else 2
    first = (centre - reach * wide + 0.5).floor()
    taps = [first + tap for tap in range(math.ceil(2 * reach * max(1.0, side / size)) + 1)]
    weights = [
        _kernel((pixel + 0.5 - centre) / wide, interpolation) * ((low <= pixel) & (pixel < high)) for pixel in taps
    ]
    total = sum(weights[1:], weights[0])
    shape = [*images.shape[:dim], size, *images.shape[dim + 1 :]]
    along = (-1, 1, size, 1) if axis else (-1, 1, 1, size)
    seen = images.new_zeros(shape)
    for pixel, weight in zip(taps, weights, strict=True):
        index = pixel.clamp(0, side - 1).long().view(along).expand(shape)
        seen.addcmul_(images.gather(dim, index), (weight / total).view(along))
    return seen


def _kernel(distance: Tensor, interpolation: Interpolation) -> Tensor:
    """Weight of a pixel so far away, not yet normalised."""
    d = distance.abs()
    if interpolation == "bilinear":
        return (1 - d).clamp(min=0)
    near, far = (1.5 * d - 2.5) * d * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2
    return torch.where(d < 1, near, torch.where(d < 2, far, 0.0))


def _steps(size: int, like: Tensor) -> Tensor:
    """(size,) centres of the pixels of the output."""
    return torch.arange(size, device=like.device, dtype=torch.float32) + 0.5


def _within(window: Tensor, side: int) -> Tensor:
    """(B, 4) -> (B, 1, side, side) bool, True on the pixels of the window."""
    pixels = torch.arange(side, device=window.device)
    left, top, right, bottom = (edge[:, None] for edge in window.unbind(1))
    across, down = (left <= pixels) & (pixels < right), (top <= pixels) & (pixels < bottom)  # (B, side)
    return (across[:, None, :] & down[:, :, None])[:, None]


def resized(images: Tensor, side: int) -> Tensor:
    """(B, 1, S, S) uint8 or float -> (B, 1, side, side) float: bilinear, antialiased where it shrinks."""
    images = images.float()
    if images.shape[-1] == side:
        return images
    return functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def halved(images: Tensor, antialias: bool) -> Tensor:
    """(B, 1, S, S) float, S even, scaled to half its side, bicubic, as MRM's model halves what it is given.

    Args:
        images: any range of values.
        antialias: False is the released code's resize under the torchvision of its time; a later one antialiases.
    """
    side = images.shape[-1] // 2
    return functional.interpolate(images, (side, side), mode="bicubic", align_corners=False, antialias=antialias)

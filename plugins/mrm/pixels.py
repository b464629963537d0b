"""What is to be reconstructed: the pixels of patches."""

from __future__ import annotations

from torch import Tensor

EPSILON = 1e-6  # of the released code, as MAE's


def pixels_of(images: Tensor, side: int, at: Tensor, channels: int) -> Tensor:
    """(B, C, H, W), (B, m) -> (B, m, side * side * channels): the chosen patches by row, column, channel.

    Args:
        images: gray (C = 1), which stands for as many equal channels as are wanted, or of `channels` channels.
        side: of a patch in pixels.
        at: numbers of patches, row by row in the grid.
        channels: of what comes out.
    """
    batch, own, height, width = images.shape
    cells = images.view(batch, own, height // side, side, width // side, side).permute(0, 2, 4, 3, 5, 1)
    flat = cells.reshape(batch, -1, side * side * own)  # (B, N, side side C)
    chosen = flat.gather(1, at[..., None].expand(-1, -1, flat.shape[2])).unflatten(2, (-1, own))
    return chosen.expand(-1, -1, -1, channels).flatten(2)


def with_pixels(images: Tensor, side: int, at: Tensor, pixels: Tensor) -> Tensor:
    """(B, 1, H, W), (B, m), (B, m, side * side * channels) -> (B, 1, H, W): chosen patches replaced, as `pixels_of` has
    them; several channels by their mean."""
    batch, _, height, width = images.shape
    rows, columns = height // side, width // side
    flat = images.view(batch, rows, side, columns, side).transpose(2, 3).reshape(batch, rows * columns, -1)
    gray = pixels.unflatten(2, (side * side, -1)).mean(3).to(flat.dtype)  # (B, m, side side)
    filled = flat.scatter(1, at[..., None].expand(-1, -1, gray.shape[2]), gray)
    return filled.view(batch, rows, columns, side, side).transpose(2, 3).reshape(images.shape)


def unnormalised(pixels: Tensor, truth: Tensor) -> Tensor:
    """(B, m, P) of `normalised` patches, with the mean and variance of the true ones."""
    variance, mean = truth.var(-1, keepdim=True), truth.mean(-1, keepdim=True)
    return pixels * (variance + EPSILON).sqrt() + mean


def normalised(pixels: Tensor) -> Tensor:
    """(B, m, P): each patch of mean 0 and variance 1, which is divided by P - 1 (He 2022, section 3)."""
    variance, mean = pixels.var(-1, keepdim=True), pixels.mean(-1, keepdim=True)
    return (pixels - mean) / (variance + EPSILON).sqrt()

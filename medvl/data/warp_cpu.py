"""The geometry on a CPU: the pixels of `medvl.data.warp`, rounded to whole grey levels, several times faster.

A call for each radiograph: it then stays in the processor's cache, and its pixels cannot depend on the batch.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medvl.data.warp import Interpolation


def warp(images: Tensor, matrix: Tensor, size: int, *, window: Tensor | None = None) -> Tensor:
    """As `medvl.data.warp.warp`, by OpenCV: uint8 (B, 1, S, S) -> uint8 (B, 1, size, size)."""
    # OpenCV counts from the centre of the first pixel, and takes the window as an image of its own
    centred = matrix.double().numpy()
    centred[:, :, 2] += centred[:, :, :2].sum(2) / 2 - 0.5
    if window is not None:
        centred[:, :, 2] -= window[:, :2].numpy()
    seen = np.empty((len(images), 1, size, size), np.uint8)
    for i, image in enumerate(_cut(images, window)):
        cv2.warpAffine(
            image[0].numpy(), centred[i], (size, size), dst=seen[i, 0],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT,
        )  # fmt: skip
    return torch.from_numpy(seen)


def stretch(
    images: Tensor, matrix: Tensor, size: int, *, window: Tensor | None = None, interpolation: Interpolation
) -> Tensor:  # fmt: skip
    """As `medvl.data.warp.stretch`, by torch's resize of bytes: uint8 (B, 1, S, S) -> uint8 (B, 1, size, size)."""
    mirrored = (matrix[:, 0, 0] < 0).tolist()
    seen = torch.empty(len(images), 1, size, size, dtype=torch.uint8)
    for i, image in enumerate(_cut(images, window)):
        if image.shape[-2:] != (size, size):
            image = functional.interpolate(image[None], (size, size), mode=interpolation, antialias=True)[0]
        seen[i] = image.flip(2) if mirrored[i] else image
    return seen


def resized(images: Tensor, side: int) -> Tensor:
    """As `medvl.data.warp.resized`: uint8 (B, 1, S, S) -> uint8 (B, 1, side, side)."""
    if images.shape[-1] == side:
        return images
    return functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def _cut(images: Tensor, window: Tensor | None) -> list[Tensor]:
    """What each window sees, (1, height, width); nothing is copied."""
    if window is None:
        return list(images)
    corners = window.int().tolist()
    return [image[:, y0:y1, x0:x1] for image, (x0, y0, x1, y1) in zip(images, corners, strict=True)]

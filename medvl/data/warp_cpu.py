"""The geometry on a CPU: the pixels of `medvl.data.warp`, rounded to whole grey levels, several times faster.

A call for each radiograph: it then stays in the processor's cache, and its pixels cannot depend on the batch.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medvl.data import warp as warp_anywhere
from medvl.data.warp import Interpolation

cv2.setNumThreads(1)  # one radiograph is too small to share: OpenCV's threads would wait for torch's


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
    seen = np.empty((len(images), 1, size, size), np.uint8)
    for i, image in enumerate(_cut(images, window)):
        down = _heightened(image[0].numpy(), size, interpolation)
        both = cv2.transpose(_heightened(cv2.transpose(down), size, interpolation))
        seen[i, 0] = both[:, ::-1] if mirrored[i] else both
    return torch.from_numpy(seen)


def _heightened(image: np.ndarray, size: int, interpolation: Interpolation) -> np.ndarray:
    """uint8 (H, W) -> (size, W), antialiased.

    Four columns at a time stand in for the channels of a colour image, whose resize is vectorised: a third of the
    time that torch takes for gray, and the same numbers.
    """
    height, width = image.shape
    if height == size:
        return image
    quads = np.empty((1, height, -(-width // 4), 4), np.uint8)
    quads.reshape(height, -1)[:, :width] = image  # the bytes behind are scaled along, and dropped
    colour = torch.from_numpy(quads).permute(0, 3, 1, 2)  # (1, 4, H, W / 4), channels last
    scaled = functional.interpolate(colour, (size, colour.shape[3]), mode=interpolation, antialias=True)
    return scaled.permute(0, 2, 3, 1).reshape(size, -1).numpy()[:, :width]


def resized(images: Tensor, side: int) -> Tensor:
    """As `medvl.data.warp.resized`: uint8 (B, 1, S, S) -> uint8 (B, 1, side, side)."""
    if images.shape[-1] == side:
        return images
    return functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False, antialias=True)


def halved(images: Tensor, antialias: bool) -> Tensor:
    """As `medvl.data.warp.halved`."""
    if antialias:
        return warp_anywhere.halved(images, antialias)
    side = images.shape[-1] // 2
    half = np.empty((len(images), 1, side, side), np.float32)
    for i, image in enumerate(images.numpy()):
        cv2.resize(image[0], (side, side), dst=half[i, 0], interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(half)


def _cut(images: Tensor, window: Tensor | None) -> list[Tensor]:
    """What each window sees, (1, height, width); nothing is copied."""
    if window is None:
        return list(images)
    corners = window.int().tolist()
    return [image[:, y0:y1, x0:x1] for image, (x0, y0, x1, y1) in zip(images, corners, strict=True)]

"""Intensity steps of a view: brightness and contrast, blur, solarisation, of each sample by its own parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medvl.data.random import SampleRandom

_MIDDLE = 128  # torchvision's and BYOL's threshold of solarisation


class Intensity(ABC):
    """One step on the values 0 to 255 of a view; it changes no geometry."""

    @abstractmethod
    def draw(self, random: SampleRandom) -> dict[str, np.ndarray]:
        """Parameters of the step: name -> (B,) float32; names are the step's own among all steps."""

    @abstractmethod
    def apply(self, seen: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """(B, 1, H, W) float, 0 to 255 -> likewise; `seen` may be written to."""


@dataclass(frozen=True)
class Jitter(Intensity):
    """Brightness and contrast in random order, as torchvision's `ColorJitter` does to gray.

    Draws `brightness` and `contrast`, factors, 1 where nothing changes, and `contrast_first`, 0 or 1. Contrast turns
    about the mean of what is seen; each change is kept within 0 to 255.

    Attributes:
        brightness, contrast: largest relative change.
        p: probability that either happens.
    """

    brightness: float
    contrast: float
    p: float = 1.0

    def draw(self, random: SampleRandom) -> dict[str, np.ndarray]:
        """`brightness`, `contrast`, `contrast_first`."""
        happens = random.flip("jitter", self.p)
        changes = {"brightness": self.brightness, "contrast": self.contrast}
        factors = {name: random.uniform(name, 1 - change, 1 + change) for name, change in changes.items()}
        drawn = {name: np.where(happens, factor, np.float32(1)) for name, factor in factors.items()}
        return drawn | {"contrast_first": random.flip("contrast_first", 0.5).astype(np.float32)}

    def apply(self, seen: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """factor * x + (1 - factor) * pivot, twice; the pivot of brightness is 0."""
        brightness, contrast, first = (
            parameters[name][:, None, None, None] for name in ("brightness", "contrast", "contrast_first")
        )
        for contrast_now in (first > 0, first == 0):
            factor = torch.where(contrast_now, contrast, brightness)
            pivot = torch.where(contrast_now, (1 - contrast) * _mean(seen), 0.0)
            seen = torch.addcmul(pivot, seen, factor).clamp_(0, 255)
        return seen


@dataclass(frozen=True)
class Blur(Intensity):
    """Gaussian blur, edges mirrored, as torchvision's `GaussianBlur`. Draws `sigma`, pixels; 0 where none happens.

    Attributes:
        taps: side of the kernel in pixels, odd; SimCLR takes a tenth of the image's side.
        sigma: smallest and largest standard deviation, in pixels.
        p: probability that it happens.
    """

    taps: int
    sigma: tuple[float, float]
    p: float

    def draw(self, random: SampleRandom) -> dict[str, np.ndarray]:
        """`sigma`."""
        happens = random.flip("blur", self.p)
        return {"sigma": np.where(happens, random.uniform("sigma", *self.sigma), np.float32(0))}

    def apply(self, seen: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """Rows, then columns."""
        if seen.device.type == "cpu":
            return _blurred_by_opencv(seen, parameters["sigma"], self.taps)
        weights = gaussian(parameters["sigma"], self.taps)
        return _blurred_along(_blurred_along(seen, weights, dim=3), weights, dim=2)


@dataclass(frozen=True)
class Solarise(Intensity):
    """Values from 128 on are turned about, x -> 255 - x, with probability `p`. Draws `solarise`, 0 or 1."""

    p: float

    def draw(self, random: SampleRandom) -> dict[str, np.ndarray]:
        """`solarise`."""
        return {"solarise": random.flip("solarise", self.p).astype(np.float32)}

    def apply(self, seen: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """Only where drawn."""
        turned = (parameters["solarise"] > 0)[:, None, None, None] & (seen >= _MIDDLE)
        return torch.where(turned, 255 - seen, seen)


def gaussian(sigma: Tensor, taps: int) -> Tensor:
    """(B,) pixels -> (B, taps) weights that sum to 1; a single 1 in the middle where sigma is 0."""
    places = torch.arange(taps, device=sigma.device, dtype=torch.float32) - (taps - 1) / 2
    weights = torch.exp(-0.5 * (places / sigma.clamp(min=1e-3)[:, None]) ** 2)
    return weights / weights.sum(1, keepdim=True)


def _mean(seen: Tensor) -> Tensor:
    """(B, 1, 1, 1) mean of the rounded values: a sum of integers, which no split over threads or samples changes."""
    return (seen.round().long().sum((1, 2, 3), keepdim=True).double() / seen[0].numel()).float()


def _blurred_along(seen: Tensor, weights: Tensor, dim: int) -> Tensor:
    """Weighted sum of shifted images: no convolution, whose algorithm and rounding depend on the batch."""
    reach, length = weights.shape[1] // 2, seen.shape[dim]
    padding = (0, 0, reach, reach) if dim == 2 else (reach, reach, 0, 0)
    padded = functional.pad(seen, padding, mode="reflect")
    total = torch.zeros_like(seen)
    for tap, weight in enumerate(weights.unbind(1)):
        total.addcmul_(padded.narrow(dim, tap, length), weight[:, None, None, None])
    return total


def _blurred_by_opencv(seen: Tensor, sigma: Tensor, taps: int) -> Tensor:
    """On a CPU: one after the other, and only those that are blurred."""
    images = seen.contiguous().numpy()[:, 0]
    for i, width in enumerate(sigma.tolist()):
        if width > 0:
            images[i] = cv2.GaussianBlur(images[i], (taps, taps), sigmaX=width, borderType=cv2.BORDER_REFLECT_101)
    return torch.from_numpy(images)[:, None]

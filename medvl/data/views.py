"""The core's views. Each is: scale to the working side, one geometric warp, intensity, normalise.

All work on whole uint8 batches on the device that holds them, CPU or GPU, and give one float32 channel.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from medvl.data.random import SampleRandom
from medvl.data.view import View
from medvl.data.warp import resized, warp
from medvl.errors import ConfigError

_CPU_PIECE = 8  # radiographs at a time for each CPU thread: they stay in its cache, half the time of a batch of 64


class _Radiograph(View):
    """What the views share: the sides, the centre crop, and the normalisation `(x / 255 - mean) / std`.

    The radiograph is scaled to `working` = size / crop pixels, of which the window of `size` is cut unscaled.
    """

    def __init__(self, *, size: int, crop: float, mean: float, std: float, source: int | None) -> None:
        super().__init__()
        _check(
            (size >= 1, f"size is a side in pixels, at least 1, got {size}"),
            (0 < crop <= 1, f"crop is a share of the radiograph's side, above 0 and at most 1, got {crop}"),
            (std > 0, f"std must be above 0, got {std}"),
            (source is None or source >= 1, f"source is a side in pixels, at least 1, got {source}"),
        )
        self.size = size
        self.crop = crop
        self.mean = mean
        self.std = std
        self.working = round(size / crop)
        self.source = self.working if source is None else source

    def forward(self, images: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """(B, S, S) uint8 and what `draw` gave, on the same device -> (B, 1, size, size) float32."""
        piece = _CPU_PIECE * torch.get_num_threads()
        if images.device.type != "cpu" or len(images) <= piece:
            return self._seen(images, parameters)
        pieces = [slice(start, start + piece) for start in range(0, len(images), piece)]
        return torch.cat([self._seen(images[p], {name: v[p] for name, v in parameters.items()}) for p in pieces])

    def _seen(self, images: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        raise NotImplementedError

    def fixed(self) -> View:
        """The whole radiograph, or its centre where the recipe crops, normalised alike."""
        return Plain(size=self.size, crop=self.crop, mean=self.mean, std=self.std, source=self.source)

    def _scaled(self, images: Tensor) -> Tensor:
        """(B, S, S) uint8 -> (B, 1, working, working) float, values 0 to 255."""
        return resized(images.unsqueeze(1).float(), self.working)

    def _centre(self, images: Tensor) -> Tensor:
        """The middle `size` pixels, cut where torchvision's `center_crop` cuts."""
        corner = round((self.working - self.size) / 2)
        return images[..., corner : corner + self.size, corner : corner + self.size]

    def _normalised(self, images: Tensor) -> Tensor:
        return (images * (1 / (255 * self.std))).sub_(self.mean / self.std)


class Plain(_Radiograph):
    """The radiograph scaled, cut at the centre where asked, and normalised; nothing is random.

    Args:
        size: side of what comes out, in pixels.
        crop: side of the centre window as a share of the radiograph's side (224 out of 256: 0.875); 1 keeps all.
        mean, std: of the radiographs' values on the scale 0 to 1.
        source: side that the store must hold; None for size / crop, which needs no scaling.
    """

    def __init__(
        self, *, size: int = 224, crop: float = 1.0, mean: float = 0.5, std: float = 0.25, source: int | None = None
    ) -> None:
        super().__init__(size=size, crop=crop, mean=mean, std=std, source=source)

    def draw(self, random: SampleRandom) -> dict[str, np.ndarray]:
        """Nothing to draw."""
        return {}

    def _seen(self, images: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        return self._normalised(self._centre(self._scaled(images)))

    def fixed(self) -> View:
        """Itself: nothing is random."""
        return self


class _Augmented(_Radiograph):
    """Random flip, rotation, window and intensity; what is switched off is neither drawn nor computed."""

    def __init__(
        self, *, size: int, crop: float, degrees: float, flip: float, brightness: float, contrast: float,
        mean: float, std: float, source: int | None,
    ) -> None:  # fmt: skip
        super().__init__(size=size, crop=crop, mean=mean, std=std, source=source)
        _check(
            (degrees >= 0, f"degrees is the largest rotation to either side, at least 0, got {degrees}"),
            (0 <= flip <= 1, f"flip is a probability, 0 to 1, got {flip}"),
            (0 <= brightness <= 1, f"brightness is the largest relative change, 0 to 1, got {brightness}"),
            (0 <= contrast <= 1, f"contrast is the largest relative change, 0 to 1, got {contrast}"),
        )
        self.degrees = degrees
        self.flip = flip
        self.brightness = brightness
        self.contrast = contrast

    def draw(self, random: SampleRandom) -> dict[str, np.ndarray]:
        """(B,) float32 each: angle (degrees), flip (0 or 1), left, top (pixels), brightness, contrast (factors)."""
        drawn: dict[str, np.ndarray] = {}
        spare = self.working - self.size
        if self.degrees or self.flip or spare:
            drawn["angle"] = random.uniform("angle", -self.degrees, self.degrees)
            drawn["flip"] = random.flip("flip", self.flip).astype(np.float32)
            # whole pixels: a window between two pixels would blur a radiograph that is not rotated
            drawn["left"] = random.integers("left", spare + 1).astype(np.float32)
            drawn["top"] = random.integers("top", spare + 1).astype(np.float32)
        for name, change in (("brightness", self.brightness), ("contrast", self.contrast)):
            if change:
                drawn[name] = random.uniform(name, 1 - change, 1 + change)
        return drawn

    def _seen(self, images: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        scaled = self._scaled(images)
        if "angle" in parameters:
            geometry = {name: parameters[name] for name in ("angle", "flip", "left", "top")}
            seen = warp(scaled, self.size, window=float(self.size), **geometry)
        else:
            seen = self._centre(scaled)
        return self._normalised(_intensity(seen, images, parameters))


class CxrMoco(_Augmented):
    """MoCo-CXR's view: horizontal flip, then a rotation to either side; no random crop, no blur, no colour.

    Sowrirajan et al. 2021, section 3: crops and blur could hide or remove a finding, so they are left out. The
    paper trains at 224. The released code scales the short side to 320 and cuts 320 at random along the long side:
    with square stored radiographs that is `size: 320`; it rotates with the nearest pixel, this view bilinearly.
    The corners that a rotation uncovers are black before normalisation, in both.

    Args:
        size: side of what comes out, in pixels.
        degrees: largest rotation to either side.
        flip: probability of a horizontal flip.
        crop: side of a random window as a share of the radiograph's side (224 out of 256: 0.875); 1 shows all.
        brightness, contrast: largest relative change; 0 is none. Contrast turns about the radiograph's mean.
        mean, std: of the radiographs' values on the scale 0 to 1.
        source: side that the store must hold; None for size / crop, which needs no scaling.
    """

    def __init__(
        self, *, size: int = 224, degrees: float = 10.0, flip: float = 0.5, crop: float = 1.0,
        brightness: float = 0.0, contrast: float = 0.0, mean: float = 0.5, std: float = 0.25,
        source: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            size=size, crop=crop, degrees=degrees, flip=flip, brightness=brightness, contrast=contrast,
            mean=mean, std=std, source=source,
        )  # fmt: skip


class CxrFinetune(_Augmented):
    """A fine-tuning view: horizontal flip, rotation to either side, and a random crop.

    Dalla Serra et al. 2022 scale the short side to 224 and cut 224 at random, so the window moves along the long
    side alone; with square stored radiographs the window is `crop` of both sides instead, and `crop: 1.0` gives
    rotation and flip alone. The corners that a rotation uncovers are black before normalisation.

    Args:
        size: side of what comes out, in pixels.
        degrees: largest rotation to either side.
        flip: probability of a horizontal flip.
        crop: side of the random window as a share of the radiograph's side; 0.875 is 224 out of 256.
        brightness, contrast: largest relative change; 0 is none. Contrast turns about the radiograph's mean.
        mean, std: of the radiographs' values on the scale 0 to 1.
        source: side that the store must hold; None for size / crop, which needs no scaling.
    """

    def __init__(
        self, *, size: int = 224, degrees: float = 10.0, flip: float = 0.5, crop: float = 0.875,
        brightness: float = 0.0, contrast: float = 0.0, mean: float = 0.5, std: float = 0.25,
        source: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            size=size, crop=crop, degrees=degrees, flip=flip, brightness=brightness, contrast=contrast,
            mean=mean, std=std, source=source,
        )  # fmt: skip


def _intensity(seen: Tensor, images: Tensor, parameters: dict[str, Tensor]) -> Tensor:
    """brightness * (contrast * x + (1 - contrast) * mean), kept within 0 to 255; unchanged where neither is drawn."""
    if "contrast" in parameters:
        # the mean as an exact sum of integers: a float sum would depend on how the batch is split over threads
        mean = images.flatten(1).sum(1, dtype=torch.int64).float() / images[0].numel()
        contrast = parameters["contrast"]
        seen = seen * contrast[:, None, None, None] + ((1 - contrast) * mean)[:, None, None, None]
    if "brightness" in parameters:
        seen = seen * parameters["brightness"][:, None, None, None]
    return seen.clamp(0, 255) if parameters.keys() & {"contrast", "brightness"} else seen


def _check(*rules: tuple[bool, str]) -> None:
    """Raise one ConfigError for every rule that does not hold."""
    problems = [message for holds, message in rules if not holds]
    if problems:
        raise ConfigError(problems)

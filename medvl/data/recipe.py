"""What medvl's views are made of: scale to a working side, geometry in one sampling, intensity, normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from types import ModuleType
from typing import Self

import numpy as np
import torch
from torch import Tensor

from medvl.data import warp, warp_cpu
from medvl.data.geometry import Geometry, draw_geometry
from medvl.data.intensity import Intensity
from medvl.data.mask_warp import nearest
from medvl.data.random import SampleRandom
from medvl.data.view import View
from medvl.data.warp import Interpolation
from medvl.errors import ConfigError

_CPU_PIECE = 8  # radiographs at a time for each CPU thread: they stay in its cache, half the time of a batch of 64


class Recipe(View):
    """A view that a subclass declares by its steps.

    On a GPU whole batches are sampled in float; on a CPU in uint8, as the authors' loaders do, which agrees within the
    rounding to whole grey levels and is several times faster. One float32 channel comes out.

    Args:
        size: side of what comes out, in pixels.
        working: side to which radiographs are scaled before the steps; `size` / `crop` where None.
        geometry: steps, in order; the last must give `size`. What is without them shows the centre.
        intensity: steps, in order.
        crop: side of the centre window that `fixed` shows, as a share of the radiograph's side.
        mean, std: of the radiographs' values on the scale 0 to 1; what comes out is (x / 255 - mean) / std.
        source: side that the store must hold; `working` where None, which needs no scaling.
        interpolation: of a crop that is scaled; what turns is sampled bilinearly.

    Raises:
        ConfigError: every value that is out of its range.
    """

    carries_masks = True

    def __init__(
        self, *, size: int, working: int | None = None, geometry: Sequence[Geometry] = (),
        intensity: Sequence[Intensity] = (), crop: float = 1.0, mean: float = 0.0, std: float = 1.0,
        source: int | None = None, interpolation: Interpolation = "bilinear",
    ) -> None:  # fmt: skip
        super().__init__()
        check(
            (size >= 1, f"size is a side in pixels, at least 1, got {size}"),
            (0 < crop <= 1, f"crop is a share of the radiograph's side, above 0 and at most 1, got {crop}"),
            (std > 0, f"std must be above 0, got {std}"),
            (source is None or source >= 1, f"source is a side in pixels, at least 1, got {source}"),
        )
        self.size = size
        self.shown = round(size / crop)
        self.working = self.shown if working is None else working
        self.source = self.working if source is None else source
        self.geometry = tuple(geometry)
        self.intensity = tuple(intensity)
        self.mean = mean
        self.std = std
        self.interpolation: Interpolation = interpolation
        self._turns = any(step.turns for step in self.geometry)
        self._check_ends()

    def _check_ends(self) -> None:
        side = self.working
        for step in self.geometry:
            side = step.gives(side)
        ends = not self.geometry or side == self.size
        check((ends, f"the geometric steps start at {self.working} and end at {side} pixels, size is {self.size}"))

    def draw(self, random: SampleRandom) -> dict[str, np.ndarray]:
        """See `draw_geometry`, and each step of intensity; nothing where there are no steps."""
        drawn = draw_geometry(self.geometry, random, self.working) if self.geometry else {}
        for step in self.intensity:
            drawn |= step.draw(random)
        return drawn

    def forward(self, images: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """(B, S, S) uint8 and what `draw` gave, on the same device -> (B, 1, size, size) float32."""
        if images.device.type != "cpu":
            return self._normalised(self._changed(self._sampled(images, parameters), parameters))
        # numpy asks for huge pages: from torch, half of a large batch's time would go into zeroing small ones
        out = torch.from_numpy(np.empty((len(images), 1, self.size, self.size), np.float32))
        piece = _CPU_PIECE * torch.get_num_threads()
        for start in range(0, len(images), piece):
            part = slice(start, start + piece)
            mine = {name: values[part] for name, values in parameters.items()}
            self._normalised(self._changed(self._sampled(images[part], mine), mine), out[part])
        return out

    def fixed(self) -> Self:
        """The whole radiograph, or its centre where the recipe is evaluated on that; normalised alike."""
        if not self.geometry and not self.intensity:
            return self
        still = copy(self)
        still.geometry, still.intensity, still.flip = (), (), 0.0
        return still

    def masks(self, masks: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """(B, K, S, S) bool and what `draw` gave -> (B, K, size, size) bool: the nearest pixel of the store."""
        if self.geometry:
            return nearest(masks, parameters["matrix"], self.working, self.size, window=parameters.get("window"))
        centre = torch.tensor([[1.0, 0.0, self._corner], [0.0, 1.0, self._corner]], device=masks.device)
        return nearest(masks, centre.expand(len(masks), 2, 3), self.shown, self.size)

    @property
    def window(self) -> tuple[float, float, float, float]:
        """The centre, see `View.window`."""
        near = self._corner / self.shown
        far = (self._corner + self.size) / self.shown
        return near, near, far, far

    @property
    def _corner(self) -> int:
        """Where torchvision's `center_crop` begins to cut."""
        return round((self.shown - self.size) / 2)

    def _sampled(self, images: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """(B, S, S) uint8 -> (B, 1, size, size), 0 to 255: uint8 on a CPU, float elsewhere."""
        gray = images.unsqueeze(1)
        backend = backend_of(gray)
        if not self.geometry:
            return self._centre(backend.resized(gray, self.shown))
        gray, window = backend.resized(gray, self.working), parameters.get("window")
        if self._turns:
            return backend.warp(gray, parameters["matrix"], self.size, window=window)
        return backend.stretch(
            gray, parameters["matrix"], self.size, window=window, interpolation=self.interpolation
        )  # fmt: skip

    def _centre(self, images: Tensor) -> Tensor:
        """The middle `size` pixels."""
        corner = self._corner
        return images[..., corner : corner + self.size, corner : corner + self.size]

    def _changed(self, seen: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        if self.intensity:
            seen = seen.float()
        for step in self.intensity:
            seen = step.apply(seen, parameters)
        return seen

    def _normalised(self, seen: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.mul(seen, 1 / (255 * self.std), out=out).sub_(self.mean / self.std)


def backend_of(images: Tensor) -> ModuleType:
    """The module whose `warp`, `stretch`, `resized` and `halved` suit the device of the images."""
    return warp_cpu if images.device.type == "cpu" else warp


def check(*rules: tuple[bool, str]) -> None:
    """Raise one ConfigError for every rule that does not hold."""
    problems = [message for holds, message in rules if not holds]
    if problems:
        raise ConfigError(problems)

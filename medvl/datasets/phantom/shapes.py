"""Shapes of the phantom: soft edges, blobs with an outline, smooth noise. All are batched over images.

Coordinates are the body's: x to the image's right, y down, 1 = half the image. A shape's parameters are
(N, 1, 1) float32, coordinates (N, H, W) or anything that broadcasts with them, so that one function serves
pixels and outlines alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from medvl.datasets.phantom.random import Array, Draws

Field = npt.NDArray[Any]  # float32 throughout; numpy's stubs lose the width at every ufunc

_ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False, dtype=np.float32)[None, :, None]


class Shape(Protocol):
    """A region of the body: an implicit function for pixels, points for boxes. The two must agree.

    `inset` is how far inside the outline the points lie: a pointed region has tips too thin for any pixel, and
    what is less than twice `inset` wide belongs neither to its box nor to its mask.
    """

    inset: float

    def inside(self, x: Field, y: Field) -> Field:
        """Positive inside, 0 on the outline."""

    def outline(self) -> tuple[Field, Field]:
        """Points (N, P, 1) at `inset` from the outline; NaN where a point is outside or nearer."""


def column(values: npt.ArrayLike) -> Field:
    """(N,) -> (N, 1, 1) float32, ready to broadcast against pixels."""
    return np.asarray(values, dtype=np.float32)[:, None, None]


def ramp(distance: Field, softness: float | Field) -> Field:
    """A smooth step from 0 to 1, half-way where `distance` is 0 and `softness` wide."""
    t = np.asarray(distance / softness)
    t += np.float32(0.5)
    np.clip(t, 0, 1, out=t)
    step = t * t
    t *= -2  # in place: this is where most of the drawing's time goes
    t += 3
    step *= t
    return step


def band(distance: Field, half_width: float | Field) -> Field:
    """A rounded ridge: 1 where `distance` is 0, 0 from `half_width` on."""
    t = np.clip(distance / half_width, -1, 1)
    t = 1 - t * t
    return t * t


def fourth(values: Field) -> Field:
    """The fourth power, several times faster than `**`."""
    square = values * values
    return square * square


@dataclass(frozen=True)
class Blob:
    """An ellipse with a wavy outline, sheared by `tilt` (x moves by tilt for each unit of y). All (N, 1, 1)."""

    x: Field
    y: Field
    width: Field  # half-axes
    height: Field
    tilt: Field
    wave: Field  # amplitude of the outline's waves, 0 to 0.2
    phase: Field
    inset = 0.0

    def inside(self, x: Field, y: Field) -> Field:
        """Positive inside, 1 at the centre, 0 on the outline."""
        down = y - self.y
        across = (x - self.x - self.tilt * down) / self.width
        down = down / self.height
        squared = across * across + down * down
        radius = np.sqrt(squared)
        # cos 2a and cos 3a from cos a, without an arc tangent
        scale = 1 / np.maximum(squared, np.float32(1e-6))
        double = (across * across - down * down) * scale
        triple = across * (across * across - 3 * down * down) * scale / np.maximum(radius, np.float32(1e-3))
        return self._reach(double, triple) - radius

    def outline(self) -> tuple[Field, Field]:
        """Points (N, 72, 1) around the outline."""
        reach = self._reach(np.cos(2 * _ANGLES), np.cos(3 * _ANGLES))
        down = self.height * reach * np.sin(_ANGLES)
        return self.x + self.width * reach * np.cos(_ANGLES) + self.tilt * down, self.y + down

    def _reach(self, double: Field, triple: Field) -> Field:
        return 1 + self.wave * (np.cos(self.phase) * double + np.sin(self.phase) * triple)


def value_noise(draws: Draws, name: str, cells: int, size: int) -> Field:
    """(N, size, size) smooth noise, about standard normal, with `cells` bumps across the image."""
    grid = cells + 2
    words = draws.bits(name, grid * grid)
    knots = (_bell(words)).reshape(len(words), grid, grid)
    weights = _interpolation(cells, size)
    return weights @ knots @ weights.T


def blurred(images: Field, spread: float) -> Field:
    """(N, size, size) images under a Gaussian whose standard deviation is `spread` of the image's side."""
    place = (np.arange(images.shape[-1]) + 0.5) / images.shape[-1]
    weights = np.exp(-0.5 * ((place[:, None] - place[None, :]) / spread) ** 2)
    rows = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return rows @ images @ rows.T


def grain(draws: Draws, name: str, size: int) -> Field:
    """(N, size, size) independent noise per pixel, about standard normal."""
    return _bell(draws.bits(name, size * size)).reshape(-1, size, size)


def _bell(words: npt.NDArray[np.uint64]) -> Field:
    """Words to about standard normal numbers: the sum of their four 16-bit parts."""
    parts = words.view(np.uint16).reshape(*words.shape, 4)
    total = parts[..., 0].astype(np.float32)
    for part in range(1, 4):
        total += parts[..., part]
    return (total - np.float32(2 * 65535)) * np.float32(np.sqrt(3.0) / 65536)


def _interpolation(cells: int, size: int) -> Field:
    """(size, cells + 2) quadratic B-spline weights, scaled so that noise keeps about unit variance."""
    place = (np.arange(size) + 0.5) / size * cells + 1.0  # in knots; knot k is centred at k + 0.5
    distance: Array = np.abs(place[:, None] - (np.arange(cells + 2) + 0.5)[None, :])
    weights = np.where(distance < 0.5, 0.75 - distance**2, np.where(distance < 1.5, 0.5 * (1.5 - distance) ** 2, 0.0))
    return (weights / np.sqrt((weights**2).sum(1, keepdims=True).mean())).astype(np.float32)

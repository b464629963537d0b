"""Geometric steps of a view: each draws per-sample parameters and says where its output pixels come from.

Steps are composed as matrices before any pixel is read, so that a recipe of many steps samples a radiograph once.
Coordinates are pixels, x to the right and y down; pixel i reaches from i to i + 1, so its centre is at i + 0.5.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medvl.data.random import SampleRandom

Drawn = dict[str, np.ndarray]

_ATTEMPTS = 10  # torchvision's RandomResizedCrop gives up after as many


class Geometry(ABC):
    """One step on square images of `side` pixels.

    Attributes:
        turns: whether what was a row may come out slanted.
        crops: whether some of the image is cut off.
    """

    turns: ClassVar[bool] = False
    crops: ClassVar[bool] = False

    @abstractmethod
    def draw(self, random: SampleRandom, side: int) -> Drawn:
        """Parameters of the step: name -> (B,) float32."""

    @abstractmethod
    def matrix(self, drawn: Drawn, side: int) -> np.ndarray:
        """(B, 3, 3) float64: homogeneous coordinates of the output -> of the input."""

    def gives(self, side: int) -> int:
        """Side of what comes out, in pixels."""
        return side


@dataclass(frozen=True)
class Flip(Geometry):
    """Left and right change places with probability `p`. Draws `flip`, 0 or 1."""

    p: float

    def draw(self, random: SampleRandom, side: int) -> Drawn:
        """`flip`: 1 where it happens."""
        return {"flip": random.flip("flip", self.p).astype(np.float32)}

    def matrix(self, drawn: Drawn, side: int) -> np.ndarray:
        """x -> side - x where it happens."""
        return _matrices(xx=1 - 2 * drawn["flip"], x=side * drawn["flip"])


@dataclass(frozen=True)
class Rotation(Geometry):
    """About the centre, by up to `degrees` to either side. Draws `angle`, counter-clockwise."""

    turns = True
    degrees: float

    def draw(self, random: SampleRandom, side: int) -> Drawn:
        """`angle`: degrees."""
        return {"angle": random.uniform("angle", -self.degrees, self.degrees)}

    def matrix(self, drawn: Drawn, side: int) -> np.ndarray:
        """The rotation back."""
        return _about_centre(drawn["angle"], side)


@dataclass(frozen=True)
class Affine(Geometry):
    """Rotation, scaling and translation about the centre, as torchvision's `RandomAffine` draws them.

    Draws `angle` (degrees, counter-clockwise), `zoom` (a factor), `right` and `down` (whole pixels).

    Attributes:
        degrees: largest rotation to either side.
        translate: largest move to either side, across and down, as shares of the side.
        scale: smallest and largest factor.
    """

    turns = True
    degrees: float
    translate: tuple[float, float]
    scale: tuple[float, float]

    def draw(self, random: SampleRandom, side: int) -> Drawn:
        """`angle`, `zoom`, `right`, `down`."""
        across, down = (share * side for share in self.translate)
        return {
            "angle": random.uniform("angle", -self.degrees, self.degrees),
            "zoom": random.uniform("zoom", *self.scale),
            "right": np.rint(random.uniform("right", -across, across)),
            "down": np.rint(random.uniform("down", -down, down)),
        }

    def matrix(self, drawn: Drawn, side: int) -> np.ndarray:
        """Back by the move, then by rotation and scale about the centre."""
        moved = _matrices(x=-drawn["right"], y=-drawn["down"])
        return _about_centre(drawn["angle"], side, 1 / drawn["zoom"].astype(np.float64)) @ moved


@dataclass(frozen=True)
class Window(Geometry):
    """A square of `size` pixels, cut unscaled at a random place. Draws `left` and `top`, whole pixels."""

    crops = True
    size: int

    def draw(self, random: SampleRandom, side: int) -> Drawn:
        """`left`, `top`."""
        # whole pixels: a window between two pixels would blur a radiograph that is not rotated
        return {name: random.integers(name, side - self.size + 1).astype(np.float32) for name in ("left", "top")}

    def matrix(self, drawn: Drawn, side: int) -> np.ndarray:
        """A move by the corner."""
        return _matrices(x=drawn["left"], y=drawn["top"])

    def gives(self, side: int) -> int:
        """`size`."""
        return self.size


@dataclass(frozen=True)
class ResizedCrop(Geometry):
    """A rectangle of random area and shape, stretched to `size`: the law of torchvision's `RandomResizedCrop`.

    Up to ten times an area and the logarithm of a ratio are drawn evenly; the first rectangle that fits is taken, at
    an even place. Where none fits, the largest central one of an allowed ratio. Draws `left`, `top`, `width` and
    `height`, whole pixels.

    Attributes:
        size: side of what comes out, in pixels.
        scale: smallest and largest area, as shares of the image's; above 1 many draws do not fit.
        ratio: smallest and largest width / height.
    """

    crops = True
    size: int
    scale: tuple[float, float]
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def draw(self, random: SampleRandom, side: int) -> Drawn:
        """`left`, `top`, `width`, `height`."""
        width, height, fits = self._largest(len(random.indices), side)
        for attempt in range(_ATTEMPTS):
            area = random.uniform(f"area.{attempt}", *self.scale) * np.float32(side * side)
            ratio = np.exp(random.uniform(f"ratio.{attempt}", *(float(np.log(end)) for end in self.ratio)))
            wide, high = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
            taken = ~fits & (wide > 0) & (wide <= side) & (high > 0) & (high <= side)
            width, height, fits = np.where(taken, wide, width), np.where(taken, high, height), fits | taken
            if fits.all():
                break
        # torchvision puts the rectangle in the middle where none of its ten fitted
        left = np.where(fits, random.integers("left", side - width + 1), (side - width) // 2)
        top = np.where(fits, random.integers("top", side - height + 1), (side - height) // 2)
        drawn = {"left": left, "top": top, "width": width, "height": height}
        return {name: values.astype(np.float32) for name, values in drawn.items()}

    def _largest(self, count: int, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Width and height of the fallback, and that nothing fits yet; (B,) each."""
        width, height = round(side * min(1.0, self.ratio[1])), round(side * min(1.0, 1 / self.ratio[0]))
        return np.full(count, width), np.full(count, height), np.zeros(count, bool)

    def matrix(self, drawn: Drawn, side: int) -> np.ndarray:
        """The rectangle's size and place."""
        return _matrices(
            xx=drawn["width"] / self.size, yy=drawn["height"] / self.size, x=drawn["left"], y=drawn["top"]
        )  # fmt: skip

    def gives(self, side: int) -> int:
        """`size`."""
        return self.size


def draw_geometry(steps: Sequence[Geometry], random: SampleRandom, side: int) -> Drawn:
    """All steps of a recipe as one table: name -> (B, ...) float32.

    Returns:
        `matrix` (B, 2, 3): coordinates of the output -> of the stored radiograph;
        `window` (B, 4): left, top, right, bottom of what the crop kept, in pixels of the stored radiograph, where the
        recipe crops before it turns; what lies outside is not seen, even if it exists.
    """
    matrix = np.broadcast_to(np.eye(3), (len(random.indices), 3, 3))
    window, turned = None, False
    for step in steps:
        matrix = matrix @ step.matrix(step.draw(random, side), side)
        side, turned = step.gives(side), turned or step.turns
        if step.crops and not turned:
            window = _window(matrix, side)
    drawn = {"matrix": matrix[:, :2].astype(np.float32)}
    return drawn if window is None else drawn | {"window": window}


def _window(matrix: np.ndarray, side: int) -> np.ndarray:
    """(B, 4) left, top, right, bottom of where an output that is not turned comes from."""
    ends = np.stack([matrix[:, :2, 2], matrix[:, :2, 2] + matrix[:, [0, 1], [0, 1]] * side], 1)  # (B, 2 ends, 2 axes)
    return np.rint(np.concatenate([ends.min(1), ends.max(1)], 1)).astype(np.float32)


def _matrices(
    *, xx: np.ndarray | float = 1.0, yy: np.ndarray | float = 1.0, x: np.ndarray | float = 0.0,
    y: np.ndarray | float = 0.0,
) -> np.ndarray:  # fmt: skip
    """(B, 3, 3) float64 that scale by (xx, yy) and then move by (x, y)."""
    scale_x, scale_y, move_x, move_y = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (xx, yy, x, y)))
    matrix = np.zeros((*scale_x.shape, 3, 3))
    matrix[:, 0, 0], matrix[:, 1, 1], matrix[:, 0, 2], matrix[:, 1, 2] = scale_x, scale_y, move_x, move_y
    matrix[:, 2, 2] = 1
    return matrix


def _about_centre(angle: np.ndarray, side: int, scale: np.ndarray | float = 1.0) -> np.ndarray:
    """(B, 3, 3): scaled, and turned clockwise as seen, about the centre of the image."""
    radians = np.deg2rad(angle.astype(np.float64))
    cos, sin, half = np.cos(radians) * scale, np.sin(radians) * scale, side / 2
    matrix = _matrices(xx=cos, yy=cos, x=half - half * (cos - sin), y=half - half * (sin + cos))
    matrix[:, 0, 1], matrix[:, 1, 0] = -sin, sin
    return matrix

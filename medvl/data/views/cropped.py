"""What the views with a random resized crop share."""

from __future__ import annotations

from collections.abc import Sequence

from medvl.data.geometry import Flip, Geometry, ResizedCrop
from medvl.data.intensity import Intensity
from medvl.data.recipe import Recipe, check
from medvl.data.warp import Interpolation

# ImageNet's three means and standard deviations, averaged: a gray radiograph has one channel
IMAGENET_MEAN, IMAGENET_STD = 0.449, 0.226


class Cropped(Recipe):
    """A rectangle of random area and shape stretched to `size`, a horizontal flip, then what the recipe adds.

    Rectangles are drawn on the stored pixels, so the store holds more than `size`: `source` is also the working side.

    Args:
        size: side of what comes out, in pixels.
        source: side that the store must hold.
        scale: smallest and largest area of the rectangle, as shares of the radiograph's.
        flip: probability of a horizontal flip.
        more: further geometric steps.
        intensity, crop, mean, std, interpolation: see `Recipe`.
    """

    def __init__(
        self, *, size: int, source: int, scale: tuple[float, float], flip: float, mean: float, std: float,
        more: Sequence[Geometry] = (), intensity: Sequence[Intensity] = (), crop: float = 1.0,
        interpolation: Interpolation = "bilinear",
    ) -> None:  # fmt: skip
        check(
            (0 < scale[0] <= scale[1], f"scale is a smallest and a largest share of the area, above 0, got {scale}"),
            (scale[0] <= 1, f"scale starts at {scale[0]}: no rectangle larger than the radiograph fits into it"),
            (0 <= flip <= 1, f"flip is a probability, 0 to 1, got {flip}"),
        )
        flips = [Flip(flip)] if flip else []
        super().__init__(
            size=size, working=source, source=source, geometry=[ResizedCrop(size, scale), *flips, *more],
            intensity=intensity, crop=crop, mean=mean, std=std, interpolation=interpolation,
        )  # fmt: skip
        self.flip = flip

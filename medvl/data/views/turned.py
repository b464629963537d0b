"""What the views that flip, turn and cut without scaling share."""

from __future__ import annotations

from medvl.data.geometry import Flip, Geometry, Rotation, Window
from medvl.data.intensity import Intensity, Jitter
from medvl.data.recipe import Recipe, check


class Turned(Recipe):
    """Horizontal flip, rotation to either side, a random window, brightness and contrast, in this order.

    What is switched off is neither drawn nor computed. The corners that a rotation uncovers are black before
    normalisation, as in torchvision.
    """

    def __init__(
        self, *, size: int, crop: float, degrees: float, flip: float, brightness: float, contrast: float,
        mean: float, std: float, source: int | None,
    ) -> None:  # fmt: skip
        check(
            (degrees >= 0, f"degrees is the largest rotation to either side, at least 0, got {degrees}"),
            (0 <= flip <= 1, f"flip is a probability, 0 to 1, got {flip}"),
            (0 <= brightness <= 1, f"brightness is the largest relative change, 0 to 1, got {brightness}"),
            (0 <= contrast <= 1, f"contrast is the largest relative change, 0 to 1, got {contrast}"),
        )
        geometry: list[Geometry] = [Flip(flip)] if flip else []
        geometry += [Rotation(degrees)] if degrees else []
        geometry += [Window(size)] if crop < 1 else []
        intensity: list[Intensity] = [Jitter(brightness, contrast)] if brightness or contrast else []
        super().__init__(
            size=size, crop=crop, geometry=geometry, intensity=intensity, mean=mean, std=std, source=source
        )  # fmt: skip
        self.flip = flip

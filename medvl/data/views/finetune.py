"""A general fine-tuning view."""

from __future__ import annotations

from medvl.data.views.turned import Turned


class CxrFinetune(Turned):
    """A fine-tuning view: horizontal flip, rotation to either side, and a random crop.

    The window is `crop` of both sides of the square radiograph; `crop: 1.0` gives rotation and flip alone. The
    corners that a rotation uncovers are black before normalisation.

    Args:
        size: side of what comes out, in pixels.
        degrees: largest rotation to either side.
        flip: probability of a horizontal flip.
        crop: side of the random window as a share of the radiograph's side; 0.875 is 224 out of 256.
        brightness, contrast: largest relative change; 0 is none. Contrast turns about the mean of what is seen.
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

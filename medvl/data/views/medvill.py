"""MedViLL's view."""

from __future__ import annotations

from medvl.data.views.cropped import IMAGENET_MEAN, IMAGENET_STD, Cropped


class CxrMedvill(Cropped):
    """MedViLL's pre-training view (Moon et al. 2022, released code): a random resized crop, nothing else.

    The area is drawn up to 1.1 of the radiograph's; a rectangle that does not fit is drawn again, up to ten times,
    as torchvision does. Validation shows the whole square.

    Args:
        size: side of what comes out, in pixels.
        scale: smallest and largest area of the rectangle, as shares of the radiograph's.
        mean, std: of the radiographs' values on the scale 0 to 1; ImageNet's, averaged over the channels.
        source: side that the store must hold; 640 keeps more of what the crop enlarges.
    """

    def __init__(
        self, *, size: int = 512, scale: tuple[float, float] = (0.8, 1.1), mean: float = IMAGENET_MEAN,
        std: float = IMAGENET_STD, source: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            size=size, source=size if source is None else source, scale=scale, flip=0.0, mean=mean, std=std
        )

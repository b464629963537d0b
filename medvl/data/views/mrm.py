"""MRM's views: the high-resolution target with its halved input, and fine-tuning."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from medvl.data.random import SampleRandom
from medvl.data.recipe import Recipe, backend_of
from medvl.data.view import View
from medvl.data.views.cropped import Cropped

_MEAN, _STD = 0.4978, 0.2449  # of the released code


class Halved(View):
    """A recipe at twice the side, and the same crop halved: what the encoder reads.

    Under a view named `image` a batch gets `image`, (B, 1, size, size), and `image_high`, (B, 1, 2 size, 2 size): the
    target of the masked patches.

    Args:
        high: the recipe, of an even side.
        antialias: see `medvl.data.warp.halved`.
    """

    def __init__(self, high: Recipe, antialias: bool) -> None:
        super().__init__()
        self.high = high
        self.antialias = antialias
        self.size = high.size // 2
        self.source = high.source
        self.flip = high.flip

    def draw(self, random: SampleRandom) -> dict[str, np.ndarray]:
        """What the recipe draws."""
        return self.high.draw(random)

    def forward(self, images: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """(B, S, S) uint8 -> (B, 1, size, size) float32, what the encoder reads."""
        return self._halved(self.high(images, parameters))

    def sizes(self, name: str) -> dict[str, int]:
        """`name` and `name_high`."""
        return {name: self.size, f"{name}_high": self.high.size}

    def fields(self, name: str, images: Tensor, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """Both, of one crop."""
        high = self.high(images, parameters)
        return {name: self._halved(high), f"{name}_high": high}

    def fixed(self) -> Halved:
        """Both, of the centre."""
        return Halved(self.high.fixed(), self.antialias)

    @property
    def window(self) -> tuple[float, float, float, float]:
        """The recipe's, see `View.window`."""
        return self.high.window

    def _halved(self, high: Tensor) -> Tensor:
        half: Tensor = backend_of(high).halved(high, self.antialias)
        return half


class CxrMrm(Halved):
    """MRM's pre-training view (Zhou et al., ICLR 2023): a bicubic random resized crop of 448, flipped; halved to 224.

    The released model standardises the 448 crop and halves that, bicubic and without antialiasing; the crop itself is
    the target of its masked patches. Validation shows the centre.

    Args:
        size: side of what the encoder reads, in pixels; the target has twice that.
        scale: smallest and largest area of the rectangle, as shares of the radiograph's.
        flip: probability of a horizontal flip.
        antialias: halve with antialiasing, which the released code does not.
        mean, std: of the radiographs' values on the scale 0 to 1; the released code's.
        source: side that the store must hold; None for 16/7 of `size`, 512 for 224. 640 keeps more of small crops.
    """

    def __init__(
        self, *, size: int = 224, scale: tuple[float, float] = (0.2, 1.0), flip: float = 0.5, antialias: bool = False,
        mean: float = _MEAN, std: float = _STD, source: int | None = None,
    ) -> None:  # fmt: skip
        held = round(size * 16 / 7) if source is None else source
        high = Cropped(
            size=2 * size, source=held, scale=scale, flip=flip, crop=0.875, mean=mean, std=std, interpolation="bicubic"
        )  # fmt: skip
        super().__init__(high, antialias)


class CxrMrmFinetune(Cropped):
    """MRM's fine-tuning view (released code): a random resized crop, flipped; tested on the centre 224 of 256.

    Args:
        size: side of what comes out, in pixels.
        scale: smallest and largest area of the rectangle, as shares of the radiograph's.
        flip: probability of a horizontal flip.
        mean, std: of the radiographs' values on the scale 0 to 1; the released code's.
        source: side that the store must hold; None for 8/7 of `size`, 256 for 224.
    """

    def __init__(
        self, *, size: int = 224, scale: tuple[float, float] = (0.08, 1.0), flip: float = 0.5, mean: float = _MEAN,
        std: float = _STD, source: int | None = None,
    ) -> None:  # fmt: skip
        held = round(size * 8 / 7) if source is None else source
        super().__init__(size=size, source=held, scale=scale, flip=flip, crop=0.875, mean=mean, std=std)

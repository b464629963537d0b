"""The views of the SLIP variants on radiographs: one to pair with text, two to pair with each other."""

from __future__ import annotations

from typing import Literal

from medvl.data.geometry import Affine
from medvl.data.intensity import Blur, Jitter, Solarise
from medvl.data.recipe import check
from medvl.data.views.cropped import IMAGENET_MEAN, IMAGENET_STD, Cropped

# Huang et al. 2023, appendix B.3. SSL: probability of blur and of solarisation, in the first and the second view
_ROTATION, _TRANSLATION, _ZOOM = 20.0, (0.09, 0.10), (0.95, 1.05)
_SSL = {"first": (1.0, 0.0), "second": (0.1, 0.2)}


class CxrSlip(Cropped):
    """The image-text view of Huang et al. 2023: crop, flip, affine, brightness and contrast, blur.

    Crop and affine transform are one bilinear sampling. What the affine transform uncovers is black, also where the
    radiograph goes on outside of the crop.

    Args:
        size: side of what comes out, in pixels.
        scale: smallest and largest area of the rectangle, as shares of the radiograph's.
        flip: probability of a horizontal flip.
        jitter: largest relative change of brightness and of contrast, which happen in half of the cases.
        blur: smallest and largest standard deviation in pixels, in half of the cases.
        mean, std: of the radiographs' values on the scale 0 to 1; ImageNet's, averaged over the channels.
        source: side that the store must hold; None for 8/7 of `size`, 256 for 224.
    """

    def __init__(
        self, *, size: int = 224, scale: tuple[float, float] = (0.6, 1.0), flip: float = 0.5, jitter: float = 0.4,
        blur: tuple[float, float] = (0.1, 3.0), mean: float = IMAGENET_MEAN, std: float = IMAGENET_STD,
        source: int | None = None,
    ) -> None:  # fmt: skip
        _check(jitter, blur)
        super().__init__(
            size=size, source=round(size * 8 / 7) if source is None else source, scale=scale, flip=flip,
            more=[Affine(_ROTATION, _TRANSLATION, _ZOOM)],
            intensity=[Jitter(jitter, jitter, p=0.5), Blur(_taps(size), blur, p=0.5)],
            mean=mean, std=std,
        )  # fmt: skip


class CxrSlipSsl(Cropped):
    """A self-supervised view of Huang et al. 2023: crop, flip, brightness and contrast, blur, solarisation.

    Give one view each role: `view_a: {name: cxr_slip_ssl, role: first}`, `view_b: {name: cxr_slip_ssl, role: second}`.

    Args:
        role: `first` is always blurred and never solarised; `second` is blurred in 0.1 and solarised in 0.2 of cases.
        size: side of what comes out, in pixels.
        scale: smallest and largest area of the rectangle, as shares of the radiograph's.
        flip: probability of a horizontal flip.
        jitter: largest relative change of brightness and of contrast, which happen in 0.8 of the cases.
        blur: smallest and largest standard deviation in pixels.
        mean, std: of the radiographs' values on the scale 0 to 1; ImageNet's, averaged over the channels.
        source: side that the store must hold; None for 8/7 of `size`, 256 for 224.
    """

    def __init__(
        self, *, role: Literal["first", "second"] = "first", size: int = 224, scale: tuple[float, float] = (0.75, 1.0),
        flip: float = 0.5, jitter: float = 0.4, blur: tuple[float, float] = (0.1, 2.0), mean: float = IMAGENET_MEAN,
        std: float = IMAGENET_STD, source: int | None = None,
    ) -> None:  # fmt: skip
        _check(jitter, blur)
        blurred, solarised = _SSL[role]
        solarise = [Solarise(solarised)] if solarised else []
        super().__init__(
            size=size, source=round(size * 8 / 7) if source is None else source, scale=scale, flip=flip,
            intensity=[Jitter(jitter, jitter, p=0.8), Blur(_taps(size), blur, p=blurred), *solarise],
            mean=mean, std=std, interpolation="bicubic",
        )  # fmt: skip


def _check(jitter: float, blur: tuple[float, float]) -> None:
    check(
        (0 <= jitter <= 1, f"jitter is the largest relative change, 0 to 1, got {jitter}"),
        (0 < blur[0] <= blur[1], f"blur is a smallest and a largest standard deviation, above 0, got {blur}"),
    )


def _taps(size: int) -> int:
    """A tenth of the side, odd (SimCLR): 23 for 224."""
    return 2 * round(size / 20) + 1

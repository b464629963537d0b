"""The views of MMBT on chest radiographs."""

from __future__ import annotations

from typing import Literal

from medvl.data.views.turned import Turned

_PRESETS = {"paper": (10.0, 0.5), "released": (0.0, 0.0)}  # degrees, flip


class CxrMmbt(Turned):
    """MMBT's view (Dalla Serra et al. 2022): rotation, horizontal flip and a random crop; or the centre square alone.

    The paper scales the short side to 224 and cuts 224 at random along the long side, which a square radiograph does
    not have; `crop` below 1 lets a window move over the square instead. It states no normalisation: that of the
    code it builds on stands here. That code, released for the earlier chest MMBT, takes the centre square of every
    radiograph and changes nothing.

    Args:
        preset: `paper` is rotation by up to 10 degrees and flips in half of the cases, `released` neither.
        size: side of what comes out, in pixels.
        degrees: largest rotation to either side; the preset's where None.
        flip: probability of a horizontal flip; the preset's where None.
        crop: side of a random window as a share of the radiograph's side; 1 shows all.
        mean, std: of the radiographs' values on the scale 0 to 1, the code's for all three channels.
        source: side that the store must hold; None for size / crop, which needs no scaling.
    """

    def __init__(
        self, *, preset: Literal["paper", "released"] = "paper", size: int = 224, degrees: float | None = None,
        flip: float | None = None, crop: float = 1.0, mean: float = 0.485, std: float = 0.286,
        source: int | None = None,
    ) -> None:  # fmt: skip
        usual_degrees, usual_flip = _PRESETS[preset]
        super().__init__(
            size=size, crop=crop, degrees=usual_degrees if degrees is None else degrees,
            flip=usual_flip if flip is None else flip, brightness=0.0, contrast=0.0, mean=mean, std=std, source=source,
        )  # fmt: skip

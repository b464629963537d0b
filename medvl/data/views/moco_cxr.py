"""MoCo-CXR's pre-training view."""

from __future__ import annotations

from typing import Literal

from medvl.data.views.turned import Turned

# size, mean, std; the paper states no mean and std, so these are neutral
_PRESETS = {"paper": (224, 0.5, 0.25), "released": (320, 0.5020, 0.085585)}


class CxrMoco(Turned):
    """MoCo-CXR's view: horizontal flip, then a rotation to either side; no blur, no colour.

    Sowrirajan et al. 2021, section 3: crops and blur could hide or remove a finding, so they are left out. The
    paper trains at 224. The released code scales the short side to 320 and cuts 320 at random along the long side,
    which a square radiograph does not have; it rotates with the nearest pixel, this view bilinearly. The corners that
    a rotation uncovers are black before normalisation, in both.

    Args:
        preset: `paper` is 224 pixels with a neutral normalisation, `released` 320 with the code's.
        size: side of what comes out, in pixels; the preset's where None.
        degrees: largest rotation to either side.
        flip: probability of a horizontal flip.
        crop: side of a random window as a share of the radiograph's side (224 out of 256: 0.875); 1 shows all.
        brightness, contrast: largest relative change; 0 is none. Contrast turns about the mean of what is seen.
        mean, std: of the radiographs' values on the scale 0 to 1; the preset's where None.
        source: side that the store must hold; None for size / crop, which needs no scaling.
    """

    def __init__(
        self, *, preset: Literal["paper", "released"] = "paper", size: int | None = None, degrees: float = 10.0,
        flip: float = 0.5, crop: float = 1.0, brightness: float = 0.0, contrast: float = 0.0,
        mean: float | None = None, std: float | None = None, source: int | None = None,
    ) -> None:  # fmt: skip
        usual_size, usual_mean, usual_std = _PRESETS[preset]
        super().__init__(
            size=usual_size if size is None else size, crop=crop, degrees=degrees, flip=flip, brightness=brightness,
            contrast=contrast, mean=usual_mean if mean is None else mean, std=usual_std if std is None else std,
            source=source,
        )  # fmt: skip

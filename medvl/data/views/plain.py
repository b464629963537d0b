"""A view without randomness."""

from __future__ import annotations

from medvl.data.recipe import Recipe


class Plain(Recipe):
    """The radiograph scaled, cut at the centre where asked, and normalised; nothing is random.

    Args:
        size: side of what comes out, in pixels.
        crop: side of the centre window as a share of the radiograph's side (224 out of 256: 0.875); 1 keeps all.
        mean, std: of the radiographs' values on the scale 0 to 1.
        source: side that the store must hold; None for size / crop, which needs no scaling.
    """

    def __init__(
        self, *, size: int = 224, crop: float = 1.0, mean: float = 0.5, std: float = 0.25, source: int | None = None
    ) -> None:
        super().__init__(size=size, crop=crop, mean=mean, std=std, source=source)

"""What SimCLR and VICReg share: two views of an image through one encoder and one head."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

import medvl


class TwoViews(medvl.Objective):
    """Encodes the views `view_a` and `view_b`, each (B, 1, H, W), one after the other, as the papers' code does.

    Args:
        head: (B, width) -> (B, D).
    """

    views: ClassVar[tuple[str, ...]] = ("view_a", "view_b")
    needs = ("image.pooled",)
    compares = True

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def embed(self, model: medvl.Model, batch: medvl.Batch) -> dict[str, Tensor]:
        """Both views in the head's space, by their names: (B, D) each."""
        return {view: self.head(model({"image": batch[view]}, self.needs)["image.pooled"]) for view in self.views}

    def exports(self, model: medvl.Model) -> dict[str, nn.Module]:
        """The image encoder, and the head as `projection`."""
        return super().exports(model) | {"projection": self.head}

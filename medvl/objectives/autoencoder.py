"""The convolutional autoencoder: a radiograph from what its encoder kept of it."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from medvl.config.schema import Slot
from medvl.models.base import Batch, Model
from medvl.models.decoders.base import Decoder
from medvl.objectives.base import Objective
from medvl.objectives.map_head import MapHead
from medvl.objectives.reconstruction import Reconstruction, RestoredImages


class Autoencoder(Objective):
    """Restores the radiograph that the image encoder read, under the mean squared error of its pixels.

    A rival of contrastive pre-training (Dalla Serra et al. 2022, Table 2): the encoder, here any with levels, and a
    decoder that mirrors it. Nothing is hidden; the deepest map is all that passes between them.

    Args:
        model: gives the image's features.
        decoder: makes a map of them. `mirror` reads the deepest level alone; one that reads finer levels too, such as
            `fpn`, may copy what it should restore.
    """

    reconstructs: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        *,
        decoder: Annotated[Decoder, Slot("decoder")] = "mirror",  # type: ignore[assignment]  # the built module
    ) -> None:
        super().__init__()
        self.needs = decoder.needs
        self.head = MapHead(decoder, 1)

    def forward(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """`pixels`: over `batch["image"]` (B, 1, H, W) as the view gives it, standardised as a rule."""
        return {"pixels": F.mse_loss(self.restored(model, batch), batch["image"].float())}

    def restored(self, model: Model, batch: Batch) -> Tensor:
        """(B, 1, H, W) float32, of the image's own scale."""
        return self.head(model(batch, self.needs), batch["image"].shape[-2:])

    def reconstruction(self, model: Model, batch: Batch) -> Reconstruction:
        """See `Objective.reconstruction`: whole images."""
        truth = batch["image"].float()
        return Reconstruction(RestoredImages(truth, self.restored(model, batch), truth, None), None)

    def exports(self, model: Model) -> dict[str, nn.Module]:
        """The encoder, and `image_decoder` with the layer that makes pixels of its map."""
        return super().exports(model) | {"image_decoder": self.head}

"""Segmentation: for every pixel whether each finding stands there."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from medvl.config.schema import Slot
from medvl.contract import THRESHOLDS, DataSpec
from medvl.errors import ConfigError
from medvl.models.base import Batch, Model
from medvl.models.decoders.base import Decoder
from medvl.objectives.base import Objective
from medvl.objectives.map_head import MapHead


class Segmentation(Objective):
    """Tells where findings stand, from any image encoder: a decoder, a linear classifier of its map, and a loss.

    The classifier's map is enlarged to the mask's size before the loss. What evaluators get are counts of pixels at
    `medvl.contract.THRESHOLDS`, so that no maps of a whole split are kept.

    Args:
        model: gives the image's features.
        data: its masks are the findings.
        decoder: makes one map of the encoder's features: `linear` for a probe of its tokens, `fpn` (light), `upernet`.
        loss: called with logits and targets (B, C, H, W), and whether the C classes exclude each other.
        background: one class more, the first, where no finding stands; classes then exclude each other (softmax), as in
            the released code of MRM. Otherwise each finding is told apart from the others (sigmoid).
        auxiliary: a second decoder with a classifier and a loss of its own, which trains the encoder and tells nothing.
        auxiliary_weight: factor of its loss.
        dropout: of whole channels of a decoder's map, in [0, 1).

    Raises:
        ConfigError: the data has no masks.
    """

    reads: ClassVar[tuple[str, ...]] = ("mask",)
    predicts: ClassVar[tuple[str, ...]] = ("intersection", "predicted", "reference")
    segments: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        data: DataSpec,
        *,
        decoder: Annotated[Decoder, Slot("decoder")] = "fpn",  # type: ignore[assignment]  # replaced by the built module
        loss: Annotated[nn.Module, Slot("loss")] = "focal_dice",  # type: ignore[assignment]  # likewise
        background: bool = False,
        auxiliary: Annotated[Decoder | None, Slot("decoder")] = None,
        auxiliary_weight: float = 0.4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not data.masks:
            raise ConfigError(
                "objective 'segmentation' needs masks, and this stage's data has none. do: choose a dataset with masks"
            )
        self.background = background
        self.loss = loss
        self.auxiliary_weight = auxiliary_weight
        classes = len(data.masks) + background
        self.head = MapHead(decoder, classes, dropout)
        self.auxiliary = None if auxiliary is None else MapHead(auxiliary, classes, dropout)
        also = () if auxiliary is None else auxiliary.needs
        self.needs = tuple(dict.fromkeys((*decoder.needs, *also)))

    def forward(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """`segmentation`, and `auxiliary` where there is such a decoder."""
        features = model(batch, self.needs)
        targets = self._targets(batch["mask"])
        losses = {"segmentation": self.loss(self.head(features, targets.shape[-2:]), targets, self.background)}
        if self.auxiliary is not None:
            also = self.loss(self.auxiliary(features, targets.shape[-2:]), targets, self.background)
            losses["auxiliary"] = self.auxiliary_weight * also
        return losses

    def predict(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Pixels of each case: `reference` (B, K), and a finding's thresholds side by side, `intersection` and
        `predicted` (B, K * T), all int64."""
        mask = batch["mask"]
        called = self.probabilities(model, batch)
        both, predicted = zip(*(_pixels(called > threshold, mask) for threshold in THRESHOLDS), strict=True)
        return {
            "intersection": torch.stack(both, 2).flatten(1),
            "predicted": torch.stack(predicted, 2).flatten(1),
            "reference": mask.sum((2, 3)),
        }

    def probabilities(self, model: Model, batch: Batch) -> Tensor:
        """See `Objective.probabilities`; float32."""
        logits = self.head(model(batch, self.needs), batch["image"].shape[-2:])
        return logits.softmax(1)[:, 1:] if self.background else logits.sigmoid()

    def exports(self, model: Model) -> dict[str, nn.Module]:
        """The encoder, and the head."""
        return super().exports(model) | {"head": self.head}

    def _targets(self, mask: Tensor) -> Tensor:
        """(B, K, H, W) bool -> (B, C, H, W)."""
        return torch.cat([~mask.any(1, keepdim=True), mask], 1) if self.background else mask


def _pixels(called: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """(B, K) each: pixels of both, and those that are called positive."""
    return (called & mask).sum((2, 3)), called.sum((2, 3))

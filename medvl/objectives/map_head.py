"""From an image's features to values at every pixel: a decoder and a linear layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.models.decoders.base import Decoder


class MapHead(nn.Module):
    """A decoder and a linear classifier of its map's pixels.

    Args:
        decoder: makes the map.
        classes: C, values of a pixel.
        dropout: of whole channels.
    """

    def __init__(self, decoder: Decoder, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.decoder = decoder
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(decoder.width, classes, 1)

    def forward(self, features: dict[str, Tensor], size: torch.Size) -> Tensor:
        """The decoder's features and (H, W) -> (B, C, H, W) float32."""
        logits = self.classifier(self.dropout(self.decoder(features))).float()
        return F.interpolate(logits, tuple(size), mode="bilinear", align_corners=False)

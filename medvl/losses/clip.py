"""Image and text find each other among the pairs of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.errors import ConfigError
from medvl.losses.info_nce import full_precision


class CLIPLoss(nn.Module):
    """Cross entropy of finding the own text of an image and the own image of a text (Radford 2021, figure 3).

    Expects vectors of unit length, case i of one side belonging to case i of the other; computes in float32 whatever
    the autocast.

    Args:
        image_share: share of image-to-text in the loss, in [0, 1], the rest being text-to-image. CLIP weighs both
            alike, ConVIRT (Zhang 2022, equation 4) by 0.75.

    Raises:
        ConfigError: the share lies outside.
    """

    def __init__(self, *, image_share: float = 0.5) -> None:
        super().__init__()
        if not 0 <= image_share <= 1:
            raise ConfigError(f"image_share must lie between 0 and 1, not {image_share}")
        self.image_share = image_share

    def forward(self, image: Tensor, text: Tensor, scale: Tensor | float) -> Tensor:
        """(B, D), (B, D), and the scalar that similarities are multiplied by -> ()."""
        with full_precision(image.device):
            logits = scale * (image.float() @ text.float().T)  # (B, B), a row per image
            return both_ways(logits, logits.T, self.image_share)


def both_ways(image_logits: Tensor, text_logits: Tensor, image_share: float) -> Tensor:
    """Cross entropies of (B, B) logits, a row per image and a row per text, whose pairs are the diagonal -> ()."""
    pairs = torch.arange(len(image_logits), device=image_logits.device)
    from_image, from_text = F.cross_entropy(image_logits, pairs), F.cross_entropy(text_logits, pairs)
    return image_share * from_image + (1 - image_share) * from_text

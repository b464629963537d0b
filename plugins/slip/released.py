"""What the released code computes otherwise than the paper says."""

from __future__ import annotations

from torch import Tensor, nn

from medvl.losses import both_ways, full_precision

from .heads import unit


class HalfNormalised(nn.Module):
    """CLIP's loss with one side of each similarity not brought to unit length, as in Huang's released code.

    Image-to-text similarities take unit images and raw texts, text-to-image ones unit texts and raw images: the code
    gathers features before it normalises them.
    """

    def forward(self, image: Tensor, text: Tensor, scale: Tensor | float) -> Tensor:
        """Raw (B, D) and (B, D), and the scalar that similarities are multiplied by -> ()."""
        with full_precision(image.device):
            image, text = image.float(), text.float()
            return both_ways(scale * unit(image) @ text.T, scale * unit(text) @ image.T, image_share=0.5)

"""What the released code computes otherwise than the paper says."""

from __future__ import annotations

from torch import Tensor, nn

from medvl.losses import check_chunk, clip_loss

from .heads import unit


class HalfNormalised(nn.Module):
    """CLIP's loss with one side of each similarity not brought to unit length, as in Huang's released code.

    Image-to-text similarities take unit images and raw texts, text-to-image ones unit texts and raw images: the code
    gathers features before it normalises its own.

    Args:
        chunk: cases scored at once; None scores all of them at once.

    Raises:
        ConfigError: it is below 1.
    """

    def __init__(self, chunk: int | None = None) -> None:
        super().__init__()
        check_chunk(chunk)
        self.chunk = chunk

    def forward(
        self,
        image: Tensor,
        text: Tensor,
        scale: Tensor | float,
        *,
        images: Tensor | None = None,
        texts: Tensor | None = None,
        offset: int = 0,
    ) -> Tensor:
        """As `medvl.losses.CLIPLoss`, of raw vectors."""
        images, texts = image if images is None else images, text if texts is None else texts
        return clip_loss(unit(image), unit(text), images, texts, scale, offset=offset, chunk=self.chunk)

"""Image and text find each other among the pairs of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.errors import ConfigError
from medvl.losses.chunked_contrast import check_chunk, chunked_clip
from medvl.losses.info_nce import full_precision


class CLIPLoss(nn.Module):
    """Cross entropy of finding the own text of an image and the own image of a text (Radford 2021, figure 3).

    Expects vectors of unit length, case i of one side belonging to case i of the other; computes in float32 whatever
    the autocast.

    Args:
        image_share: share of image-to-text in the loss, in [0, 1], the rest being text-to-image. CLIP weighs both
            alike, ConVIRT (Zhang 2022, equation 4) by 0.75.
        chunk: cases scored at once, so that memory does not grow with the square of the batch
            (`medvl.losses.chunked_contrast`); None scores all of them at once.

    Raises:
        ConfigError: the share lies outside, or chunk is below 1.
    """

    def __init__(self, *, image_share: float = 0.5, chunk: int | None = None) -> None:
        super().__init__()
        if not 0 <= image_share <= 1:
            raise ConfigError(f"image_share must lie between 0 and 1, not {image_share}")
        check_chunk(chunk)
        self.image_share, self.chunk = image_share, chunk

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
        """The mean over this process's cases; over several processes the mean of what they give is the batch's loss.

        Args:
            image, text: (B, D) of this process.
            scale: () what similarities are multiplied by.
            images, texts: (M, D) of all processes; None where there is one.
            offset: where this process's cases begin among them.

        Returns:
            ().
        """
        images, texts = image if images is None else images, text if texts is None else texts
        return clip_loss(
            image, text, images, texts, scale, offset=offset, image_share=self.image_share, chunk=self.chunk
        )


def clip_loss(
    image: Tensor,
    text: Tensor,
    images: Tensor,
    texts: Tensor,
    scale: Tensor | float,
    *,
    offset: int = 0,
    image_share: float = 0.5,
    chunk: int | None = None,
) -> Tensor:
    """Cross entropies of finding each row of `image` among `texts`, and each row of `text` among `images`.

    Args:
        image, text: (B, D) that search.
        images, texts: (M, D) that are searched; row i belongs to row offset + i.
        scale: () what similarities are multiplied by.
        offset, image_share, chunk: as in `CLIPLoss`.

    Returns:
        () float32.
    """
    if chunk is not None:
        return chunked_clip(image, text, images, texts, scale, offset=offset, image_share=image_share, chunk=chunk)
    with full_precision(image.device):
        logits = scale * (image.float() @ texts.float().T)  # (B, M), a row per image
        same = images is image and texts is text  # then the other direction has the same similarities
        reverse = logits.T if same else scale * (text.float() @ images.float().T)  # (B, M), a row per text
        own = torch.arange(offset, offset + len(logits), device=logits.device)  # (B,)
        return image_share * F.cross_entropy(logits, own) + (1 - image_share) * F.cross_entropy(reverse, own)

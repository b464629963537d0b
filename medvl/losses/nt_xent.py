"""Two views of an image find each other among all views of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.errors import ConfigError
from medvl.losses.chunked_contrast import check_chunk, chunked_nt_xent, pairs_of_views
from medvl.losses.info_nce import full_precision


class NTXent(nn.Module):
    """Normalised temperature-scaled cross entropy (SimCLR, Chen 2020, equation 1).

    Each of the 2B views looks for its partner among the 2B - 1 others. Expects vectors of unit length; computes in
    float32 whatever the autocast.

    Args:
        temperature: divides the similarities; above 0.
        chunk: views scored at once, so that memory does not grow with the square of the batch
            (`medvl.losses.chunked_contrast`); None scores all of them at once.

    Raises:
        ConfigError: the temperature is not positive, or chunk is below 1.
    """

    def __init__(self, *, temperature: float = 0.1, chunk: int | None = None) -> None:
        super().__init__()
        if temperature <= 0:
            raise ConfigError(f"temperature must be above 0, not {temperature}")
        check_chunk(chunk)
        self.temperature, self.chunk = temperature, chunk

    def forward(
        self,
        first: Tensor,
        second: Tensor,
        *,
        firsts: Tensor | None = None,
        seconds: Tensor | None = None,
        offset: int = 0,
    ) -> Tensor:
        """The mean over this process's views; over several processes the mean of what they give is the batch's loss.

        Args:
            first, second: (B, D) views of this process, row i of both from image i.
            firsts, seconds: (M, D) of all processes; None where there is one.
            offset: where this process's images begin among them.

        Returns:
            ().
        """
        firsts, seconds = first if firsts is None else firsts, second if seconds is None else seconds
        if self.chunk is not None:
            scale = 1 / self.temperature
            return chunked_nt_xent(first, second, firsts, seconds, scale, offset=offset, chunk=self.chunk)
        with full_precision(first.device):
            rows, columns = torch.cat([first, second]).float(), torch.cat([firsts, seconds]).float()
            itself, partner = pairs_of_views(first, firsts, offset)  # (2B,) each
            logits = (rows / self.temperature) @ columns.T  # (2B, 2M)
            return F.cross_entropy(logits.scatter(1, itself[:, None], -torch.inf), partner)

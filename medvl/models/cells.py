"""Where inside an image encoder the image still lies in cells: what Grad-CAM reads and sends gradients to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Cells:
    """The deepest module whose output holds the image in cells, on all of which what the encoder gives depends.

    Attributes:
        layer: gives (B, D, h, w); or (B, h, w, D) where `channels_last`; or tokens (B, P + h * w, D).
        grid: (height, width) of its cells, where it gives tokens.
        channels_last: the channels of its maps come last.
    """

    layer: nn.Module
    grid: tuple[int, int] | None = None
    channels_last: bool = False

    def map_of(self, output: Tensor) -> Tensor:
        """What the layer gives -> (B, D, h, w)."""
        if self.grid is not None:
            return output[:, -self._tokens :].transpose(1, 2).unflatten(2, self.grid)
        return output.permute(0, 3, 1, 2) if self.channels_last else output

    def output_of(self, cells: Tensor, output: Tensor) -> Tensor:
        """(B, D, h, w) in the place of the cells in what the layer gave."""
        if self.grid is not None:
            return torch.cat([output[:, : -self._tokens], cells.flatten(2).transpose(1, 2)], 1)
        return cells.permute(0, 2, 3, 1) if self.channels_last else cells

    @property
    def _tokens(self) -> int:
        assert self.grid is not None
        return self.grid[0] * self.grid[1]

    @contextmanager
    def tapped(self) -> Iterator[nn.Module]:
        """Inside, the cells go through the module that is given, as (B, D, h, w), and on unchanged.

        They require a gradient there even where all weights before them are frozen.
        """
        tap = _Tap()
        handle = self.layer.register_forward_hook(
            lambda _, inputs, output: self.output_of(tap(self.map_of(output)), output)
        )
        try:
            yield tap
        finally:
            handle.remove()


class _Tap(nn.Module):
    def forward(self, cells: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not cells.requires_grad:
            cells = cells.detach().requires_grad_()
        return cells.clone()  # what follows may work in place

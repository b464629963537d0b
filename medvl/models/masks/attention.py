"""From a mask scheme to what attention is given: made late, and only in the form that the backend needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medvl.errors import ConfigError
from medvl.models.masks.layout import Layout, LayoutAt

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

Scheme = Callable[[Layout], Tensor]


@dataclass(frozen=True)
class SchemeMask:
    """A scheme at a layout: an attention mask that no one has made yet.

    Attributes:
        scheme: a function of the layout that returns booleans, True = may attend.
        layout: of the joint sequence.
    """

    scheme: Scheme
    layout: Layout

    def dense(self) -> Tensor:
        """(B or 1, S or 1, S) bool.

        Raises:
            ConfigError: the scheme returned something else than booleans that broadcast to (B, S, S).
        """
        allow = self.scheme(self.layout)
        size = self.layout.size
        wanted = (len(self.layout.lengths), size, size)
        padded = (1,) * (3 - allow.ndim) + tuple(allow.shape)
        fits = len(padded) == 3 and all(side in (1, full) for side, full in zip(padded, wanted, strict=True))
        if allow.dtype != torch.bool or not fits:
            raise ConfigError(
                f"mask scheme '{_name(self.scheme)}' must return booleans that broadcast to (B, S, S) = {wanted}, "
                f"and returned {allow.dtype} of shape {tuple(allow.shape)}. do: compare layout.query with layout.key"
            )
        return allow.view(padded)

    def blocks(self) -> BlockMask:
        """For FlexAttention, which asks pair by pair and leaves out blocks of 128 x 128 that are all forbidden."""
        from torch.nn.attention.flex_attention import create_block_mask

        layout = self.layout

        def allowed(sample: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            at = LayoutAt(layout.prefix, layout.text, layout.lengths, layout.draws, sample, query, key)
            return self.scheme(at)

        size, device = layout.size, layout.lengths.device
        return create_block_mask(allowed, len(layout.lengths), None, size, size, device=str(device))


def scheme_mask(scheme: Scheme, layout: Layout, *, training: bool) -> SchemeMask:
    """The mask of a fusion's forward pass.

    In training, a scheme that chooses at random (`draws`) gets a number for each sample from the process's generator,
    whose state is a part of every checkpoint: a run that is taken up again draws what it would have drawn.
    """
    if training and getattr(scheme, "draws", False):
        lengths = layout.lengths
        layout = replace(layout, draws=torch.rand(len(lengths), device=lengths.device))
    return SchemeMask(scheme, layout)


def as_attention_mask(allow: Tensor | SchemeMask) -> Tensor:
    """What scaled-dot-product attention wants: (B, S) or (B, S, S) bool, or a scheme's -> (B, 1, 1 or S, S) bool.

    Only SDPA honours booleans: transformers' `eager` attention would add them to the scores as 0 and 1.
    """
    if isinstance(allow, SchemeMask):
        allow = allow.dense()
    return allow[:, None, None, :] if allow.ndim == 2 else allow[:, None]


def _name(scheme: Scheme) -> str:
    return getattr(getattr(scheme, "func", scheme), "__name__", type(scheme).__name__)

"""Where image and text stand in a joint sequence; what a mask scheme is a function of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """A joint sequence of S positions: `prefix` of them ([CLS], image tokens, [SEP]), then `text`, real ones in front.

    A mask scheme compares `query` with `key`, the positions that look and those that are looked at. They broadcast
    against each other, so one line speaks of all pairs; where the backend asks pair by pair, of one (`LayoutAt`).

    Attributes:
        prefix: number of positions in front of the text, all real.
        text: number of text positions T.
        lengths: (B,) int64, real text positions of each sample.
        draws: (B,) uniform numbers of [0, 1) for schemes that choose at random; None where nothing is drawn.
    """

    prefix: int
    text: int
    lengths: Tensor
    draws: Tensor | None = None

    @property
    def size(self) -> int:
        """S."""
        return self.prefix + self.text

    @property
    def query(self) -> Tensor:
        """(S, 1) int64: the positions that look."""
        return self.key[:, None]

    @property
    def key(self) -> Tensor:
        """(S,) int64: the positions that are looked at."""
        return torch.arange(self.size, device=self.lengths.device)

    @property
    def real(self) -> Tensor:
        """(B, 1, S) bool: the keys that are no padding."""
        return self.key < self.prefix + self.lengths[:, None, None]

    @property
    def draw(self) -> Tensor | None:
        """(B, 1, 1): each sample's number."""
        return None if self.draws is None else self.draws[:, None, None]


@dataclass(frozen=True)
class LayoutAt(Layout):
    """The same of a single pair: all properties are scalars.

    Attributes:
        sample, query_at, key_at: () int64.
    """

    sample: Tensor | int = 0
    query_at: Tensor | int = 0
    key_at: Tensor | int = 0

    @property
    def query(self) -> Tensor:
        """The position that looks."""
        return self.query_at  # type: ignore[return-value]  # an index of the backend's, which counts as a tensor

    @property
    def key(self) -> Tensor:
        """The position that is looked at."""
        return self.key_at  # type: ignore[return-value]

    @property
    def real(self) -> Tensor:
        """Whether the key is no padding."""
        return self.key < self.prefix + self.lengths[self.sample]

    @property
    def draw(self) -> Tensor | None:
        """The sample's number."""
        return None if self.draws is None else self.draws[self.sample]

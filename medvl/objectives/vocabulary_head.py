"""From hidden states to a score for every word of the vocabulary, and what wrong scores cost."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class VocabularyHead(nn.Module):
    """BERT's head of masked words: dense, GELU, LayerNorm, then the word embeddings themselves (Devlin 2019).

    Args:
        width: D of the hidden states and of the word embeddings.
        words: V, rows of the table of word embeddings.
        tied: score with the word embeddings; else with a table of its own.
        eps: of the normalisation; BERT's own models have 1e-12.
    """

    def __init__(self, width: int, words: int, *, tied: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.bias = nn.Parameter(torch.zeros(words))
        self.table = None if tied else nn.Parameter(torch.empty(words, width))
        if self.table is not None:
            nn.init.normal_(self.table, std=0.02)

    def forward(self, hidden: Tensor, table: Tensor) -> Tensor:
        """hidden (M, D), the word embeddings (V, D) -> logits (M, V)."""
        if self.table is not None:
            table = self.table
        return F.linear(self.norm(F.gelu(self.dense(hidden))), table, self.bias)

    def loss(self, hidden: Tensor, table: Tensor, ids: Tensor, counted: Tensor, most: int) -> Tensor:
        """Cross entropy, a mean over the tokens that count, 0 where there are none; no others are scored.

        Args:
            hidden: (B, T, D), what the words are to be told from.
            table: (V, D), the word embeddings.
            ids: (B, T) int64, the words that stand there.
            counted: (B, T) bool.
            most: no more than so many count; see `places`.
        """
        at, counts = places(counted.flatten(), most)  # (M,), (M,)
        logits = self(hidden.flatten(0, 1)[at], table).float()  # (M, V)
        losses = F.cross_entropy(logits, ids.flatten()[at], reduction="none")
        return (losses * counts).sum() / counts.sum().clamp(min=1)


def most_hidden(probability: float, batch: int, columns: int) -> int:
    """More tokens than are ever hidden: eight standard deviations above what is expected, and one a text."""
    expected = probability * batch * columns
    return min(batch * columns, math.ceil(expected + 8 * math.sqrt(expected)) + batch)


def places(counted: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Where `counted` (N,) is true: indices (M,) int64, and (M,) float, 1 where an index counts.

    A CPU tells how many there are. A GPU would have to be waited for, so there M is `most`, filled up with places that
    do not count.
    """
    if counted.device.type == "cpu":
        at = counted.nonzero()[:, 0]
        return at, torch.ones(len(at))
    at = torch.nonzero_static(counted, size=most, fill_value=-1)[:, 0]
    return at.clamp(min=0), (at >= 0).float()

"""From hidden states to a score for every word of the vocabulary."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class VocabularyHead(nn.Module):
    """BERT's head of masked words: dense, GELU, LayerNorm, then the word embeddings themselves (Devlin 2019).

    Args:
        width: D of the hidden states and of the word embeddings.
        words: V, rows of the table of word embeddings.
    """

    def __init__(self, width: int, words: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(words))

    def forward(self, hidden: Tensor, table: Tensor) -> Tensor:
        """hidden (M, D), table (V, D) -> logits (M, V)."""
        return F.linear(self.norm(F.gelu(self.dense(hidden))), table, self.bias)

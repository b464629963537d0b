"""From hidden states to a score for every word of the vocabulary, and what wrong scores cost."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.errors import ConfigError
from medvl.models.base import Model


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

    def cross_entropy(self, hidden: Tensor, table: Tensor, words: Tensor, counts: Tensor, *, most: int) -> Tensor:
        """A mean over the words that count, () float32; 0 where there are none. It takes what `word_losses` takes."""
        losses, _, weights = self.word_losses(hidden, table, words, counts, most=most)
        return losses.sum() / weights.sum().clamp(min=1)

    def word_losses(
        self, hidden: Tensor, table: Tensor, words: Tensor, counts: Tensor, *, most: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cross entropy of each word that counts, computed for them alone.

        Args:
            hidden: (B, T, D).
            table: (V, D).
            words: (B, T) int64, the right ones.
            counts: (B, T) float, how often a word counts; 0 leaves it out.
            most: more words than ever count.

        Returns:
            (M,) each: losses float32, as often as they count; places in the flat batch; how often they count. M may
            be larger than the number of words that count.
        """
        weights = counts.flatten()
        at, there = places(weights > 0, min(most, len(weights)))  # (M,), (M,)
        weights = weights[at] * there
        logits = self(hidden.flatten(0, 1)[at], table).float()  # (M, V)
        return F.cross_entropy(logits, words.flatten()[at], reduction="none") * weights, at, weights


def places(chosen: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Where `chosen` (N,) is true: indices (M,) int64, and (M,) float, 1 where an index counts.

    A CPU tells how many there are. A GPU would have to be waited for, so there M is `most`, filled up with places that
    do not count.
    """
    if chosen.device.type == "cpu":
        at = chosen.nonzero()[:, 0]
        return at, torch.ones(len(at))
    at = torch.nonzero_static(chosen, size=most, fill_value=-1)[:, 0]
    return at.clamp(min=0), (at >= 0).float()


def most_chosen(probability: float, texts: int, columns: int) -> int:
    """More tokens than are ever chosen: eight standard deviations above what is expected, and one forced a text."""
    expected = probability * texts * columns
    return min(texts * columns, math.ceil(expected + 8 * math.sqrt(expected)) + texts)


def vocabulary_head(model: Model, feature: str, objective: str) -> VocabularyHead:
    """A head for a feature of words, on the word embeddings of the model's text encoder.

    Raises:
        ConfigError: the feature is not as wide as they are; `objective` is who asks.
    """
    assert model.text is not None, f"{feature} needs a text encoder"
    width = model.width(feature)
    words, own_width = model.text.table.shape
    if width != own_width:
        raise ConfigError(
            f"{objective} reads {feature} of width {width}, and the word embeddings that its head shares have "
            f"{own_width}. do: take a fusion of that width"
        )
    return VocabularyHead(width, words)

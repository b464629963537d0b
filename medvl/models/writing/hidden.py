"""Words read from a [MASK] in their place by a transformer in which nothing sees a later word (Dong 2019, UniLM)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medvl.models.base import TextEncoder


@dataclass(frozen=True)
class Prefix:
    """What stands in front of the words and never sees them, e.g. `[CLS] image [SEP]`.

    Attributes:
        embeddings: (B, P, D) before positions, segments and normalisation.
        positions: (1, P) int64.
        segments: (1, P) int64.
    """

    embeddings: Tensor
    positions: Tensor
    segments: Tensor


class HiddenWriting:
    """Reports that are being written behind a prefix: a step computes two tokens, the last word and a [MASK].

    Under `seq2seq` neither prefix nor words see what comes later, so their keys and values stay; the [MASK]'s are
    dropped as soon as its word is known. Words count their positions from 0.

    Args:
        text: an encoder with `joint`.
        prefix: of each report.
        most: of the longest report, in tokens.
        segment: of the words.
    """

    def __init__(self, text: TextEncoder, prefix: Prefix, most: int, *, segment: int = 1) -> None:
        self._text = text
        self._segment = segment
        self._written = 0
        self._cache = text.joint_cache(prefix.embeddings, prefix.positions, prefix.segments, room=most + 1)
        self._hidden = torch.full((len(prefix.embeddings), 1), text.tokenizer.mask, device=prefix.embeddings.device)

    def step(self, words: Tensor | None) -> Tensor:
        """Features (B, D) of the next word; `words` (B,) int64 were written last, None at the first."""
        ids = self._hidden if words is None else torch.cat([words[:, None], self._hidden], 1)  # (B, 1 or 2)
        new = ids.shape[1] - 1
        places = torch.arange(self._written, self._written + new + 1, device=ids.device)[None]
        segments = torch.full_like(places, self._segment)
        self._written += new
        return self._cache.extend(self._text.embed(ids), places, segments, keep=new)[:, -1]

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, (M,) int64, in this order."""
        self._cache.select(rows)
        self._hidden = self._hidden[:1].expand(len(rows), -1)


def next_hidden_words(text: TextEncoder, prefix: Prefix, ids: Tensor, *, segment: int = 1) -> Tensor:
    """What `HiddenWriting` gives at every step of given reports, in one pass: each word has a [MASK] of its own.

    Behind the prefix stand the words, then as many [MASK]s at the same positions. A [MASK] sees the prefix, the words
    before its own, and itself; nothing sees a [MASK] of another word.

    Args:
        text: an encoder with `joint`.
        prefix: of each report.
        ids: (B, T) int64, `[CLS] words [SEP]`, padding behind.
        segment: of the words.

    Returns:
        (B, T - 1, D), of the tokens in columns 1, 2, ...
    """
    words, asked = ids.shape[1] - 2, ids.shape[1] - 1
    hidden = torch.full_like(ids[:, 1:], text.tokenizer.mask)
    embeddings = torch.cat([prefix.embeddings, text.embed(torch.cat([ids[:, 1:-1], hidden], 1))], 1)  # (B, S, D)
    places = torch.arange(asked, device=ids.device)[None]
    positions = torch.cat([prefix.positions, places[:, :words], places], 1)
    segments = torch.cat([prefix.segments, torch.full_like(positions[:, prefix.positions.shape[1] :], segment)], 1)
    allow = _each_sees_what_is_before(prefix.embeddings.shape[1], words, ids.device)
    return text.joint(embeddings, positions, segments, allow)[:, -asked:]


def _each_sees_what_is_before(prefix: int, words: int, device: torch.device) -> Tensor:
    """(1, S, S) bool of a prefix, W words and W + 1 [MASK]s."""
    before = torch.full((prefix,), -1, device=device)
    numbers = torch.arange(words + 1, device=device)
    keys = torch.cat([before, numbers[:-1]])
    latest = torch.cat([before, numbers[:-1], numbers - 1])  # the last word that a row sees
    own = torch.eye(len(latest), dtype=torch.bool, device=device)[:, len(keys) :]
    return torch.cat([keys <= latest[:, None], own], 1)[None]

"""Which words of a text are hidden from a model that is to restore them: whole words, or BERT's 80 / 10 / 10.

Both work on a whole batch, on the device it lies on, from uniform numbers that belong to a text and a position: the
same words are hidden whatever the batch, the padding or the number of processes. `draw_*` run on the host, in the
thread that gathers batches; the rest are a handful of tensor operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medvl.data.random import SampleRandom


@dataclass(frozen=True)
class MaskedText:
    """A batch of texts with words hidden.

    Attributes:
        ids: (B, T) int64, what the model reads.
        hidden: (B, T) bool, the positions whose original ids are to be restored.
    """

    ids: Tensor
    hidden: Tensor


def draw_words(random: SampleRandom, length: int) -> np.ndarray:
    """Numbers for `mask_whole_words`: (B, T) float32 of [0, 1)."""
    return random.uniform_grid("words", length)


def mask_whole_words(
    ids: Tensor, mask: Tensor, draws: Tensor, *, continues: Tensor, hide: int, probability: float = 0.5,
    length: int | None = None,
) -> MaskedText:  # fmt: skip
    """Hide whole words (Zhou et al., ICLR 2023, as their code does it): each with `probability`, always by `hide`.

    Positions 1 to length - 2 count, real tokens alone. A piece that continues a word shares the fate of the piece
    before it; one at position 1 follows [CLS], which is never hidden.

    Args:
        ids: (B, T) int64.
        mask: (B, T) bool, True on real tokens, which stand in front.
        draws: (B, T) of [0, 1); those at the beginnings of words are read.
        continues: (V,) bool, True for ids of pieces that continue a word (`##...`).
        hide: the id of [MASK].
        probability: that a word is hidden.
        length: the longest text of the model, where T may be less than that; T where None.
    """
    places = torch.arange(ids.shape[1], device=ids.device)  # (T,)
    inside = mask & (places >= 1) & (places <= (length or ids.shape[1]) - 2)  # (B, T)
    begins = inside & ~torch.take(continues, ids)
    fate = begins & (draws < probability)
    start = torch.where(begins, places, 0).cummax(1).values  # (B, T): where each piece's word begins, or 0
    hidden = inside & fate.gather(1, start)
    return MaskedText(ids.masked_fill(hidden, hide), hidden)


def draw_tokens(random: SampleRandom, length: int, vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers for `mask_tokens`: (B, T) float32 of [0, 1), and (B, T) int64 ids of a vocabulary of this size."""
    return random.uniform_grid("tokens", length), random.integer_grid("replacements", length, vocabulary)


def mask_tokens(
    ids: Tensor, mask: Tensor, draws: Tensor, replacements: Tensor, *, special: Tensor, hide: int,
    probability: float = 0.15, at_least_one: bool = False,
) -> MaskedText:  # fmt: skip
    """Hide tokens as BERT does (Devlin 2019, section 3.1): of those chosen 80 % become [MASK], 10 % others, 10 % stay.

    Args:
        ids: (B, T) int64.
        mask: (B, T) bool, True on real tokens.
        draws: (B, T) of [0, 1); one number both chooses a token and says what becomes of it.
        replacements: (B, T) int64, ids of the whole vocabulary.
        special: (V,) bool, True for ids that are never chosen: [CLS], [SEP], [PAD].
        hide: the id of [MASK].
        probability: that a token is chosen.
        at_least_one: where none is, hide the text's first word (Moon 2022's code does).
    """
    words = mask & ~torch.take(special, ids)  # (B, T)
    chosen = words & (draws < probability)
    kind = draws / probability
    changed = torch.where(kind < 0.8, hide, torch.where(kind < 0.9, replacements, ids))
    if at_least_one:
        first = words & (words.cumsum(1) == 1) & ~chosen.any(1, keepdim=True)
        changed, chosen = changed.masked_fill(first, hide), chosen | first
    return MaskedText(torch.where(chosen, changed, ids), chosen)

"""What the fine-tuning of MedViLL's released code does to a report: ends cut off at random, few words hidden.

Pure functions of uniform numbers, on a whole batch, like `medvl.data.word_masking`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cut_ends(ids: Tensor, mask: Tensor, longest: int, draws: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Reports of at most `longest` tokens between [CLS] and [SEP].

    Args:
        ids: (B, T) int64, `[CLS] words [SEP]`, padding behind.
        mask: (B, T) bool, True on real tokens.
        longest: most tokens that stay, at least 1.
        draws: (B, at least T - 2 - longest) of [0, 1), a number for every token that goes: below a half the first
            goes, else the last. None takes all from the end.

    Returns:
        ids (B, T') and mask (B, T'), T' at most longest + 2.
    """
    columns = min(ids.shape[1], longest + 2)
    lengths = mask.sum(1)  # (B,)
    extra = (lengths - 2 - longest).clamp(min=0)
    places = torch.arange(columns, device=ids.device).expand(len(ids), -1)  # (B, T')
    new_mask = places < (lengths - extra)[:, None]
    skipped = torch.zeros_like(extra)
    if draws is not None:
        asked = torch.arange(draws.shape[1], device=ids.device) < extra[:, None]
        skipped = ((draws < 0.5) & asked).sum(1)
    source = places + torch.where(places > 0, skipped[:, None], 0)  # [CLS] stays in front
    last = places == (lengths - extra)[:, None] - 1
    source = torch.where(last, lengths[:, None] - 1, source)
    return ids.gather(1, source.clamp(max=ids.shape[1] - 1)), new_mask


def hide_few(
    ids: Tensor, mask: Tensor, draws: Tensor, ends: Tensor, *, hide: int, probability: float, most: int
) -> tuple[Tensor, Tensor]:
    """Hide `probability` of a report's words, at least one and at most `most`, always by [MASK].

    They are drawn from the words and the last [SEP]. For half of the reports one of the places belongs to that [SEP]
    whatever is drawn; it then counts twice if it is also drawn.

    Args:
        ids: (B, T) int64, `[CLS] words [SEP]`, padding behind.
        mask: (B, T) bool, True on real tokens.
        draws: (B, T) of [0, 1); the lowest are hidden.
        ends: (B,) of [0, 1); above a half the [SEP] is.
        hide: the id of [MASK].
        probability: share of the words, [CLS] and [SEP] not among them.
        most: most words of a report.

    Returns:
        (B, T) int64, what the model reads, and (B, T) float, how often a token counts in the loss: 0, 1 or 2.
    """
    places, lengths = torch.arange(ids.shape[1], device=ids.device), mask.sum(1, keepdim=True)  # (T,), (B, 1)
    candidates = mask & (places > 0)
    count = (probability * (lengths - 2)).round().clamp(1, most)  # (B, 1); halves to even, as Python rounds
    forced = ends[:, None] > 0.5
    rank = draws.masked_fill(~candidates, torch.inf).argsort(1).argsort(1)
    weights = (candidates & (rank < count - forced.long())).float() + (forced & (places == lengths - 1)).float()
    return ids.masked_fill(weights > 0, hide), weights

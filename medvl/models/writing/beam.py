"""Beam search: the likeliest of several reports that are followed side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from medvl.models.writing.word_by_word import Writer


def beam(writer: Writer, blank: Tensor, end: int, *, width: int, length_penalty: float) -> Tensor:
    """The best report found by following the `width` likeliest beginnings of each.

    A report's score is its log probability divided by the number of its tokens, `end` included, to the power of
    `length_penalty`. A case is done when `width` reports of it have ended, or when none that goes on can become
    better than the best of them; it then leaves the batch.

    Args:
        writer: one row a report.
        blank: (B, most) int64, padding alone.
        end: the id that ends a report.
        width: beginnings that are followed; 1 is `greedy`.
        length_penalty: at least 0; 0 compares log probabilities, 1 their means over tokens.

    Returns:
        (B, most) int64, without `end`, padding behind.
    """
    beams = _Beams(blank, end, width, length_penalty)
    words = None
    for place in range(blank.shape[1]):
        rows, words = beams.take(writer.step(words), place)
        if not len(rows):
            break
        writer.select(rows)
    return beams.best()


class _Beams:
    """What is followed of the R reports that are not done, K beginnings each, and the best that has ended of all."""

    def __init__(self, blank: Tensor, end: int, width: int, length_penalty: float) -> None:
        self.end, self.width, self.penalty = end, width, length_penalty
        self.which = torch.arange(len(blank), device=blank.device)  # (R,)
        self.scores = torch.zeros(len(blank), 1, device=blank.device)  # (R, K) log probabilities
        self.texts = blank[:, None]  # (R, K, most)
        self.found = blank.clone()  # (B, most)
        self.found_scores = self.scores[:, 0] - torch.inf  # (B,)
        self.ended = torch.zeros_like(self.which)  # (B,)

    def take(self, scores: Tensor, place: int) -> tuple[Tensor, Tensor]:
        """From scores (R * K, V) of the next word the rows that go on and the words they got, (M,) int64 each."""
        reports, beams = self.scores.shape
        vocabulary = scores.shape[1]
        total = self.scores[:, :, None] + scores.log_softmax(1).view(reports, beams, vocabulary)
        best, at = total.flatten(1).topk(min(2 * self.width, beams * vocabulary))  # (R, 2 width)
        origin, words = at // vocabulary, at % vocabulary
        ends = words == self.end
        self._end(best[:, : self.width], ends[:, : self.width], origin, place + 1)
        self.scores, follow = best.masked_fill(ends, -torch.inf).topk(min(self.width, best.shape[1]))  # (R, width)
        origin, words = origin.gather(1, follow), words.gather(1, follow)
        self.texts = self.texts.gather(1, origin[:, :, None].expand(-1, -1, self.texts.shape[2]))
        self.texts[:, :, place] = words
        rows = origin + beams * torch.arange(reports, device=origin.device)[:, None]
        going = self._going()
        self.which, self.scores, self.texts = self.which[going], self.scores[going], self.texts[going]
        return rows[going].flatten(), words[going].flatten()

    def best(self) -> Tensor:
        """(B, most), those that were cut at the longest length among them."""
        longest = self.found.shape[1]
        every = torch.ones_like(self.scores, dtype=torch.bool)
        self._end(self.scores, every, torch.arange(every.shape[1], device=every.device).expand_as(every), longest)
        return self.found

    def _end(self, scores: Tensor, ends: Tensor, origin: Tensor, tokens: int) -> None:
        """Keep the best of the reports that end here, where it is better than those before."""
        if not len(scores):
            return
        score, which = (scores.masked_fill(~ends, -torch.inf) / tokens**self.penalty).max(1)  # (R,)
        better = score > self.found_scores[self.which]
        cases, beam = self.which[better], origin.gather(1, which[:, None])[better, 0]
        self.found[cases] = self.texts[better, beam]
        self.found_scores[cases] = score[better]
        self.ended[self.which] += ends.sum(1)

    def _going(self) -> Tensor:
        """(R,) bool: fewer than `width` have ended, and one that goes on may still become the best."""
        reachable = self.scores[:, 0] / self.found.shape[1] ** self.penalty
        return (self.ended[self.which] < self.width) & (reachable > self.found_scores[self.which])

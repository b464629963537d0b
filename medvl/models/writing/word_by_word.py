"""Reports that are written in one go, word by word: the likeliest at every step, or drawn ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor


class Writer(Protocol):
    """Reports under way, one a row: scores of their next word."""

    def step(self, words: Tensor | None) -> Tensor:
        """(B, V) float32, log probabilities up to a constant; `words` (B,) were written last, None at the first."""
        ...

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, (M,) int64, in this order."""
        ...


Choose = Callable[[Tensor, Tensor, int], Tensor]  # scores (M, V), which reports (M,), place -> words (M,)


def greedy(writer: Writer, blank: Tensor, end: int) -> Tensor:
    """The likeliest word at every step.

    Args:
        writer: one row a report.
        blank: (B, most) int64, padding alone.
        end: the id that ends a report.

    Returns:
        (B, most) int64, without `end`, padding behind.
    """
    return _write(writer, blank, end, lambda scores, which, place: scores.argmax(1))


def nucleus(writer: Writer, blank: Tensor, end: int, draws: Tensor, *, top_p: float, temperature: float) -> Tensor:
    """Draws each word among the likeliest that together have the probability `top_p` (Holtzman 2020, section 3.1).

    Args:
        writer, blank, end: as of `greedy`.
        draws: (B, most) of [0, 1), a number for every word: equal ones give equal reports, whatever the batch.
        top_p: in (0, 1]; the likeliest word is always among them.
        temperature: scores are divided by it; above 0.

    Returns:
        (B, most) int64, without `end`, padding behind.
    """

    def choose(scores: Tensor, which: Tensor, place: int) -> Tensor:
        shares, words = (scores / temperature).softmax(1).sort(dim=1, descending=True, stable=True)  # (M, V) each
        total = shares.cumsum(1)
        among = total - shares < top_p
        among[:, 0] = True
        mass = total.where(among, 0).amax(1, keepdim=True)
        drawn = (total <= draws[which, place, None] * mass).sum(1, keepdim=True)
        drawn = drawn.minimum(among.sum(1, keepdim=True) - 1)  # a draw next to 1 may be rounded up
        return words.gather(1, drawn)[:, 0]

    return _write(writer, blank, end, choose)


def _write(writer: Writer, blank: Tensor, end: int, choose: Choose) -> Tensor:
    report = blank.clone()
    which = torch.arange(len(blank), device=blank.device)  # reports that are not finished
    words = None
    for place in range(blank.shape[1]):
        words = choose(writer.step(words), which, place)
        going = words != end
        if not going.all():
            rows = closing_up(going)
            which, words = which[rows], words[rows]
            if not len(rows):
                break
            writer.select(rows)
        report[which, place] = words
    return report


def closing_up(going: Tensor) -> Tensor:
    """Rows where `going` (B,) bool is true, (M,) int64, such that as many as can be stay where they are.

    The last ones fill the gaps: what does not move need not be copied.
    """
    left = int(going.sum())
    rows = torch.arange(left, device=going.device)
    rows[~going[:left]] = going[left:].nonzero()[:, 0] + left
    return rows

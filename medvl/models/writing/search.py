"""How reports are looked for: the settings of a search, and what it asks of a fusion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from medvl.data.random import SampleRandom
from medvl.errors import ConfigError
from medvl.models.base import Fusion, Model, Writing
from medvl.models.writing.beam import beam
from medvl.models.writing.word_by_word import Writer, greedy, nucleus


@dataclass(frozen=True)
class Search:
    """The settings of a search.

    Attributes:
        kind: the likeliest word at every step, the best of several beginnings, or drawn words.
        width: beginnings that `beam` follows.
        length_penalty: of `beam`, at least 0.
        top_p: of `nucleus`, in (0, 1].
        temperature: of `nucleus`, above 0.
        seed: of `nucleus`.

    Raises:
        ConfigError: a value out of its range.
    """

    kind: Literal["greedy", "beam", "nucleus"] = "greedy"
    width: int = 3
    length_penalty: float = 1.0
    top_p: float = 0.9
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if self.width < 1:
            problems.append(f"width must be at least 1, not {self.width}")
        if self.length_penalty < 0:
            problems.append(f"length_penalty must be at least 0, not {self.length_penalty:g}")
        if not 0 < self.top_p <= 1:
            problems.append(f"top_p must be above 0 and at most 1, not {self.top_p:g}")
        if self.temperature <= 0:
            problems.append(f"temperature must be above 0, not {self.temperature:g}")
        if problems:
            raise ConfigError(problems)

    def write(self, writer: Writer, blank: Tensor, end: int, cases: np.ndarray) -> Tensor:
        """One report a row.

        Args:
            writer: gives the scores.
            blank: (B, most) int64, padding alone.
            end: the id that ends a report.
            cases: (B,) int64, what draws belong to.

        Returns:
            (B, most) int64, without `end`, padding behind.
        """
        if self.kind == "beam":
            return beam(writer, blank, end, width=self.width, length_penalty=self.length_penalty)
        if self.kind == "greedy":
            return greedy(writer, blank, end)
        draws = SampleRandom(self.seed, 0, cases, stream="nucleus").uniform_grid("words", blank.shape[1])
        draws_there = torch.from_numpy(draws).to(blank.device)
        return nucleus(writer, blank, end, draws_there, top_p=self.top_p, temperature=self.temperature)


class FusionWriter:
    """A fusion as a `Writer`.

    Args:
        model: with a fusion that writes.
        state: what its `begin` gave.
        scores: (B, D) features to (B, V) float32.
    """

    def __init__(self, model: Model, state: Writing, scores: Callable[[Tensor], Tensor]) -> None:
        assert model.fusion is not None
        self._fusion: Fusion = model.fusion
        self._model, self._state, self._scores = model, state, scores

    def step(self, words: Tensor | None) -> Tensor:
        """(B, V) scores of the next word; `words` (B,) were written last, None at the first."""
        return self._scores(self._fusion.step(self._model, self._state, words))

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, (M,) int64, in this order."""
        self._state.select(rows)

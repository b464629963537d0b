"""Model and objective as the one module that is wrapped, trained and saved."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from torch import Tensor, nn

from medvl.models.base import Batch, Model
from medvl.objectives.base import Objective


class Trainable(nn.Module):
    """Calling it gives the losses of a batch."""

    def __init__(self, model: Model, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Named scalar losses."""
        return self.objective(self.model, batch)

    def train(self, mode: bool = True) -> Self:
        """As of any module; the model comes last, so that what is frozen stays so where an objective holds it too."""
        super().train(mode)
        self.model.train(mode)
        return self

    def predict(self, batch: Batch, wanted: Collection[str] | None = None) -> dict[str, Tensor]:
        """What evaluators read; with `wanted`, these outputs at least."""
        self.objective.wanted = None if wanted is None else frozenset(wanted)
        return self.objective.predict(self.model, batch)

    def halves(self, batch: Batch) -> dict[str, Tensor]:
        """What is computed once a case whose image and text are scored with others."""
        return self.objective.halves(self.model, batch)

    def score_pairs(self, halves: dict[str, Tensor]) -> Tensor:
        """(P,) float32, how well the images and texts of these rows go together."""
        return self.objective.score_pairs(self.model, halves)

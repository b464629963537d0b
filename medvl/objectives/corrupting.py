"""Objectives that spoil a batch and learn from undoing it: hidden words, foreign reports."""

from __future__ import annotations

from torch import Tensor

from medvl.models.base import Batch, Model
from medvl.objectives.base import Objective


class CorruptingObjective(Objective):
    """An objective in two halves, `corrupt` and `judge`, with the model's pass between them.

    Several such objectives can share one pass (`medvl.objectives.one_pass`): each corrupts what the one before it left,
    so `corrupt` keeps every field that begins with `text.` in step with `text.ids`, and what it must remember of a
    text it puts into such a field.
    """

    def forward(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """The losses of a freshly corrupted batch."""
        batch = self.corrupt(batch)
        return self.judge(model, model(batch, self.needs), batch)

    def corrupt(self, batch: Batch) -> Batch:
        """A new batch; the one that is given stays as it is."""
        raise NotImplementedError

    def judge(self, model: Model, features: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Named scalar losses, from the features in `needs` of a batch that `corrupt` gave."""
        raise NotImplementedError

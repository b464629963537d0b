"""What the reader of an evaluator's numbers must know of how their inputs were made."""

from __future__ import annotations

from medvl.evaluate.base import Evaluator
from medvl.models.base import Model
from medvl.objectives.base import Objective


def cautions(evaluator: Evaluator, objective: Objective, model: Model) -> list[str]:
    """The objective's sentences about the outputs that the evaluator wants, each once."""
    known = objective.cautions(model)
    return list(dict.fromkeys(known[name] for name in evaluator.wants if name in known))

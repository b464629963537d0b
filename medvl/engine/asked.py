"""What a stage's evaluators ask of its objective, when they ask, and what must be told of the answers."""

from __future__ import annotations

from collections.abc import Iterable

from medvl.config.experiment import Stage
from medvl.evaluate.base import APART, PAIR_SCORES, SALIENCY, Evaluator
from medvl.models.base import Model
from medvl.objectives.base import Objective


def outputs_of(objective: Objective) -> tuple[str, ...]:
    """What evaluators can have of an objective."""
    looks = "logits" in objective.predicts and bool(objective.views)
    return (
        *objective.predicts, *((PAIR_SCORES,) if objective.scores_pairs else ()), *((SALIENCY,) if looks else ())
    )  # fmt: skip


def asked_by(evaluator: Evaluator, objective: Objective) -> tuple[str, ...]:
    """The outputs that this evaluator is given."""
    return evaluator.takes(outputs_of(objective)) or ()


def takes_pairs(evaluator: Evaluator, objective: Objective) -> bool:
    """Whether this evaluator is given the scores of pairs."""
    return PAIR_SCORES in asked_by(evaluator, objective)


def takes_maps(evaluator: Evaluator, objective: Objective) -> bool:
    """Whether this evaluator is given maps of where the model looks."""
    return SALIENCY in asked_by(evaluator, objective)


def wanted_by(evaluators: Iterable[Evaluator], objective: Objective) -> set[str]:
    """The outputs of `predict` that some evaluators are given; what nobody reads need not be computed."""
    return {output for evaluator in evaluators for output in asked_by(evaluator, objective)} - {*APART}


def validates(stage: Stage, evaluator: Evaluator, objective: Objective) -> bool:
    """Whether an evaluator measures at validations, too.

    One that is given something dear (reports that are written word by word, scores of all pairs of a split, maps) does
    so only where the stage selects its weights by what it measures.
    """
    dear = {*objective.dear, *APART}
    return dear.isdisjoint(asked_by(evaluator, objective)) or selects(stage, evaluator)


def selects(stage: Stage, evaluator: Evaluator) -> bool:
    """Whether the stage selects its weights by what an evaluator measures."""
    return stage.stop is not None and stage.stop.metric.removeprefix("val/") in evaluator.metrics()


def cautions(evaluator: Evaluator, objective: Objective, model: Model) -> list[str]:
    """The objective's sentences about what the evaluator is given, each once."""
    known = objective.cautions(model)
    return list(dict.fromkeys(known[name] for name in asked_by(evaluator, objective) if name in known))

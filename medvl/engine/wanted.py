"""Which outputs of an objective its evaluators are given, and which evaluators every validation asks."""

from __future__ import annotations

from collections.abc import Iterable

from medvl.config.sections import Stop
from medvl.evaluate.base import PAIR_SCORES, Evaluator
from medvl.objectives.base import Objective


def outputs_of(objective: Objective) -> tuple[str, ...]:
    """What evaluators can have of an objective."""
    return (*objective.predicts, *((PAIR_SCORES,) if objective.scores_pairs else ()))


def taken_by(evaluator: Evaluator, objective: Objective) -> tuple[str, ...]:
    """The outputs that an evaluator is given."""
    return evaluator.takes(outputs_of(objective)) or ()


def takes_pairs(evaluator: Evaluator, objective: Objective) -> bool:
    """Whether this evaluator is given the scores of pairs."""
    return PAIR_SCORES in taken_by(evaluator, objective)


def wanted_by(evaluators: Iterable[Evaluator], objective: Objective) -> set[str]:
    """The outputs that they read of `predict`."""
    return {output for evaluator in evaluators for output in taken_by(evaluator, objective)} - {PAIR_SCORES}


def validating(evaluators: list[Evaluator], objective: Objective, stop: Stop | None) -> list[Evaluator]:
    """Those that every validation asks: not what wants outputs that are too dear, unless early stopping reads it.

    The scores of pairs are: all pairs of a split cost many times what its cases do.
    """
    dear = {*objective.dear, PAIR_SCORES}
    return [one for one in evaluators if dear.isdisjoint(taken_by(one, objective)) or selects(one, stop)]


def selects(evaluator: Evaluator, stop: Stop | None) -> bool:
    """Whether early stopping reads what an evaluator measures."""
    return stop is not None and stop.metric.removeprefix("val/") in evaluator.metrics()

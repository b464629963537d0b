"""What is wrong with a stage's optimiser and schedule, told before any data are read."""

from __future__ import annotations

import math

import torch
from torch import nn

from medvl.config.experiment import Stage
from medvl.config.sections import Budget
from medvl.engine.schedules import Horizon

MANY = 10**9  # steps of an epoch, while nobody has counted the cases


def check_rates(stage: Stage) -> None:
    """Build both for one weight that nobody trains.

    Raises:
        ConfigError: a parameter out of its range, or a warm-up that is longer than the stage can be.
    """
    if stage.optim is not None and stage.budget.trains:
        weight = nn.Parameter(torch.zeros(1, device="cpu"))
        stage.optim.build(parameters=[weight], blocks=(), horizon=_longest(stage.budget))


def _longest(budget: Budget) -> Horizon:
    """What no stage of this budget exceeds: how many steps an epoch has is known once the cases are counted."""
    if budget.steps is not None:
        return Horizon(budget.steps, steps_per_epoch=1 / MANY)
    assert budget.epochs is not None  # one of the two is given
    return Horizon(math.ceil(budget.epochs * MANY), steps_per_epoch=MANY)

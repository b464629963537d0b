"""Schedules of the learning rate: pure functions of the step, so that a resumed run needs only its step number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from medvl.errors import ConfigError

Schedule = Callable[[float], float]  # optimiser steps done (a fraction is allowed) -> factor of the learning rate
By = Literal["step", "epoch"]


@dataclass(frozen=True)
class Horizon:
    """How long a stage trains; steps are the optimiser's.

    Attributes:
        total_steps: all steps of the stage.
        steps_per_epoch: not always whole under gradient accumulation.
    """

    total_steps: int
    steps_per_epoch: float


def constant(
    horizon: Horizon, *, warmup_steps: int = 0, warmup_epochs: float = 0.0, start_factor: float = 0.0
) -> Schedule:
    """The full rate, after a warm-up.

    Args:
        horizon: the length of the stage.
        warmup_steps: length of a straight rise to the full rate; 0 for none.
        warmup_epochs: the same in epochs; give one of the two.
        start_factor: factor at step 0, where the warm-up starts.

    Raises:
        ConfigError: the warm-up is given twice, or is longer than the stage.
    """
    warmup = _warmup(horizon, warmup_steps, warmup_epochs)
    return _join(horizon, warmup, start_factor, lambda progress: 1.0)


def linear(
    horizon: Horizon,
    *,
    warmup_steps: int = 0,
    warmup_epochs: float = 0.0,
    start_factor: float = 0.0,
    end_factor: float = 0.0,
    by: By = "step",
) -> Schedule:
    """A warm-up, then a straight line from the full rate down to `end_factor` at the end of the stage.

    Args:
        horizon: the length of the stage.
        warmup_steps: length of a straight rise to the full rate; 0 for none.
        warmup_epochs: the same in epochs; give one of the two.
        start_factor: factor at step 0, where the warm-up starts.
        end_factor: factor at the last step and beyond.
        by: `epoch` keeps one factor through each epoch, that of its first step.

    Raises:
        ConfigError: the warm-up is given twice, or is longer than the stage.
    """

    def decay(progress: float) -> float:
        return end_factor + (1 - end_factor) * max(0.0, 1 - progress)

    warmup = _warmup(horizon, warmup_steps, warmup_epochs)
    return _by(by, horizon, _join(horizon, warmup, start_factor, decay))


def cosine(
    horizon: Horizon,
    *,
    warmup_steps: int = 0,
    warmup_epochs: float = 0.0,
    start_factor: float = 0.0,
    end_factor: float = 0.0,
    stretch: float = 1.0,
    inclusive_warmup: bool = False,
    by: By = "step",
) -> Schedule:
    """A warm-up, then half a cosine from the full rate to `end_factor` (SGDR, Loshchilov 2017, eq. 5, no restart).

    Args:
        horizon: the length of the stage.
        warmup_steps: length of a straight rise to the full rate; 0 for none.
        warmup_epochs: the same in epochs; give one of the two.
        start_factor: factor at step 0, where the warm-up starts.
        end_factor: factor at the end of the half cosine. Past the end of the stage the curve rises again.
        stretch: how many stages the half cosine lasts; above 1 the stage ends before the low point, as in the
            code of MoCo-CXR, where it is 4 and called cos_rate.
        inclusive_warmup: the last step of the warm-up has the full rate already (SLIP), not the first step after.
        by: `epoch` keeps one factor through each epoch, that of its first step.

    Raises:
        ConfigError: the warm-up is given twice, or is longer than the stage; `stretch` is not positive.
    """
    if stretch <= 0:
        raise ConfigError(f"stretch must be above 0, not {stretch}")

    def decay(progress: float) -> float:
        return end_factor + (1 - end_factor) * 0.5 * (1 + math.cos(math.pi * progress / stretch))

    warmup = _warmup(horizon, warmup_steps, warmup_epochs)
    return _by(by, horizon, _join(horizon, warmup, start_factor, decay, inclusive_warmup))


def poly(
    horizon: Horizon,
    *,
    warmup_steps: int = 0,
    warmup_epochs: float = 0.0,
    start_factor: float = 0.0,
    end_factor: float = 0.0,
    power: float = 0.9,
    by: By = "step",
) -> Schedule:
    """A warm-up, then a power of the share of the stage that is left (DeepLab, Chen 2017, arXiv:1606.00915).

    Args:
        horizon: the length of the stage.
        warmup_steps: length of a straight rise to the full rate; 0 for none.
        warmup_epochs: the same in epochs; give one of the two.
        start_factor: factor at step 0, where the warm-up starts.
        end_factor: factor at the end of the stage and beyond.
        power: 1 is a straight line; above 0.
        by: `epoch` keeps one factor through each epoch, that of its first step.

    Raises:
        ConfigError: the warm-up is given twice, or is longer than the stage; `power` is not positive.
    """
    if power <= 0:
        raise ConfigError(f"power must be above 0, not {power}")

    def decay(progress: float) -> float:
        return end_factor + (1 - end_factor) * max(0.0, 1 - progress) ** power

    warmup = _warmup(horizon, warmup_steps, warmup_epochs)
    return _by(by, horizon, _join(horizon, warmup, start_factor, decay))


def milestones(
    horizon: Horizon, *, at: tuple[float, ...], gamma: float = 0.1, unit: Literal["step", "epoch"] = "epoch"
) -> Schedule:
    """The rate times `gamma` from each milestone on.

    Args:
        horizon: the length of the stage.
        at: the milestones; those beyond the end of the stage do nothing.
        gamma: factor of each drop; above 0.
        unit: what `at` counts.

    Raises:
        ConfigError: `gamma` is not positive.
    """
    if gamma <= 0:
        raise ConfigError(f"gamma must be above 0, not {gamma}")
    steps = [milestone * (horizon.steps_per_epoch if unit == "epoch" else 1) for milestone in at]
    return lambda step: gamma ** sum(step >= milestone for milestone in steps)


def _warmup(horizon: Horizon, steps: int, epochs: float) -> float:
    """The length of the warm-up in steps."""
    if steps and epochs:
        raise ConfigError(f"the warm-up is given twice: warmup_steps {steps}, warmup_epochs {epochs:g}. keep one")
    warmup = steps or epochs * horizon.steps_per_epoch
    if not 0 <= warmup <= horizon.total_steps:
        length = horizon.total_steps / horizon.steps_per_epoch
        lengths = (
            f"{epochs:g} epochs does not fit into a stage of {length:g}"
            if epochs
            else (f"{steps} steps does not fit into a stage of {horizon.total_steps} steps")
        )
        raise ConfigError(f"a warm-up of {lengths}. shorten it, or raise the stage's budget")
    return warmup


def _join(
    horizon: Horizon, warmup: float, start_factor: float, decay: Callable[[float], float], inclusive: bool = False
) -> Schedule:
    """A straight rise, then `decay` of the progress: 0 at the end of the warm-up, 1 at the end of the stage."""
    rise = max(warmup - 1 if inclusive else warmup, 1)  # steps from the start to the full rate
    fall = max(horizon.total_steps - warmup, 1)

    def factor(step: float) -> float:
        if step < warmup:
            return start_factor + (1 - start_factor) * min(step / rise, 1.0)
        return decay((step - warmup) / fall)

    return factor


def _by(by: By, horizon: Horizon, schedule: Schedule) -> Schedule:
    """The schedule itself, or with the factor of an epoch's first step through that epoch."""
    if by == "step":
        return schedule
    epoch = horizon.steps_per_epoch
    return lambda step: schedule(math.floor(step / epoch) * epoch)

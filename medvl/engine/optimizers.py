"""Optimisers: each is a function of parameters and settings, and comes with the schedule of its learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from medvl.config.schema import Slot
from medvl.engine.schedules import Schedule
from medvl.errors import ConfigError

Blocks = Sequence[Iterable[nn.Parameter]]  # parameters of an encoder from its input to its output


@dataclass
class Optimization:
    """What an optimiser function returns: an optimiser, and the schedule that the loop applies to it.

    A schedule is a pure function of the step, so it has no state to save: call `set_step` before each step.

    Attributes:
        optimizer: its groups' `lr` are the full rates until `set_step` is called.
        schedule: optimiser steps done -> factor of the learning rate.
    """

    optimizer: Optimizer
    schedule: Schedule

    def __post_init__(self) -> None:
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def scale_rate(self, parameters: Iterable[nn.Parameter], factor: float) -> None:
        """Give some of the optimiser's parameters `factor` times the learning rate; all else of their group stays."""
        scaled = {id(parameter) for parameter in parameters}
        for group in list(self.optimizer.param_groups):
            moved = [parameter for parameter in group["params"] if id(parameter) in scaled]
            if not moved:
                continue
            # a group left empty still tells the stage's own rate
            group["params"] = [parameter for parameter in group["params"] if id(parameter) not in scaled]
            rates = {key: group[key] * factor for key in ("lr", "initial_lr")}
            self.optimizer.add_param_group(group | {"params": moved} | rates)

    def decay_layers(self, blocks: Blocks, decay: float) -> Self:
        """Give a block `decay` times the rate of the one behind it, the last `decay` times what stands behind them all.

        So BEiT and MAE fine-tune vision transformers (Bao 2022; He 2022, appendix A.1).

        Args:
            blocks: from the input to the output, the stem being the first.
            decay: factor from block to block, above 0.

        Raises:
            ConfigError: `decay` is not above 0.
        """
        if decay <= 0:
            raise ConfigError(f"layer_decay must be above 0, not {decay:g}")
        if decay != 1:
            for depth, block in enumerate(blocks):
                self.scale_rate(block, decay ** (len(blocks) - depth))
        return self

    def set_step(self, step: int) -> float:
        """Set the learning rates of step number `step` (the first is 0); returns the first group's, for a log."""
        factor = self.schedule(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        return self.optimizer.param_groups[0]["lr"]


def adamw(
    parameters: Iterable[nn.Parameter],
    blocks: Blocks = (),
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    decay_norms: bool = True,
    layer_decay: float = 1.0,
    schedule: Annotated[Schedule, Slot("schedule")] = "constant",  # type: ignore[assignment]  # replaced by the built one
) -> Optimization:
    """AdamW: Adam with decoupled weight decay (Loshchilov 2019).

    Args:
        parameters: those that require no gradient are left out.
        blocks: of the image encoder, for `layer_decay`.
        lr: learning rate, which the schedule's factor multiplies.
        betas: decay rates of the two moments.
        eps: added to the denominator.
        weight_decay: times the learning rate, per step.
        decay_norms: also decay biases and the scales of norms (every tensor with at most one axis).
        layer_decay: see `Optimization.decay_layers`; 1 for one rate throughout.
        schedule: of the learning rate.
    """
    groups = _groups(parameters, weight_decay, decay_norms)
    return Optimization(AdamW(groups, lr=lr, betas=betas, eps=eps, fused=_fused(groups)), schedule).decay_layers(
        blocks, layer_decay
    )


def adam(
    parameters: Iterable[nn.Parameter],
    blocks: Blocks = (),
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decay_norms: bool = True,
    layer_decay: float = 1.0,
    schedule: Annotated[Schedule, Slot("schedule")] = "constant",  # type: ignore[assignment]  # replaced by the built one
) -> Optimization:
    """Adam (Kingma 2015); weight decay is L2: it is added to the gradient.

    Args:
        parameters: those that require no gradient are left out.
        blocks: of the image encoder, for `layer_decay`.
        lr: learning rate, which the schedule's factor multiplies.
        betas: decay rates of the two moments.
        eps: added to the denominator.
        weight_decay: times the parameter, added to the gradient.
        decay_norms: also decay biases and the scales of norms (every tensor with at most one axis).
        layer_decay: see `Optimization.decay_layers`; 1 for one rate throughout.
        schedule: of the learning rate.
    """
    groups = _groups(parameters, weight_decay, decay_norms)
    return Optimization(Adam(groups, lr=lr, betas=betas, eps=eps, fused=_fused(groups)), schedule).decay_layers(
        blocks, layer_decay
    )


def sgd(
    parameters: Iterable[nn.Parameter],
    blocks: Blocks = (),
    *,
    lr: float,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    decay_norms: bool = True,
    layer_decay: float = 1.0,
    schedule: Annotated[Schedule, Slot("schedule")] = "constant",  # type: ignore[assignment]  # replaced by the built one
) -> Optimization:
    """Stochastic gradient descent with momentum; weight decay is L2: it is added to the gradient.

    Args:
        parameters: those that require no gradient are left out.
        blocks: of the image encoder, for `layer_decay`.
        lr: learning rate, which the schedule's factor multiplies.
        momentum: share of the last step's direction that stays; 0 for none.
        nesterov: look ahead by the momentum; needs a momentum above 0.
        weight_decay: times the parameter, added to the gradient.
        decay_norms: also decay biases and the scales of norms (every tensor with at most one axis).
        layer_decay: see `Optimization.decay_layers`; 1 for one rate throughout.
        schedule: of the learning rate.
    """
    groups = _groups(parameters, weight_decay, decay_norms)
    return Optimization(
        SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=_fused(groups)), schedule
    ).decay_layers(blocks, layer_decay)


def _groups(parameters: Iterable[nn.Parameter], weight_decay: float, decay_norms: bool) -> list[dict[str, Any]]:
    """Trainable parameters, in two groups where those with at most one axis are not decayed."""
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if decay_norms:
        return [{"params": trainable, "weight_decay": weight_decay}]
    decayed = [parameter for parameter in trainable if parameter.ndim > 1]
    plain = [parameter for parameter in trainable if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _fused(groups: list[dict[str, Any]]) -> bool | None:
    """True where one kernel can update all parameters (CUDA); None leaves the choice to torch."""
    on_cuda = all(parameter.is_cuda for group in groups for parameter in group["params"])
    return True if on_cuda else None

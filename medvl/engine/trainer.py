"""The training loop: steps, accumulation, clipping, validation, early stopping, checkpoints. Nothing else."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from medvl.config.sections import Budget, Stop
from medvl.engine.cached_gradient import backward_compared
from medvl.engine.checkpoint import save_best, save_checkpoint
from medvl.engine.interrupt import Interrupted, InterruptGuard
from medvl.engine.optimizers import Optimization
from medvl.engine.randomness import random_state, set_random_state
from medvl.engine.trainable import Trainable
from medvl.errors import TrainingDiverged
from medvl.models.base import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LOG_EVERY = 20  # steps between readings from the device

Validate = Callable[[], dict[str, float]]
Draw = Callable[[int], None]


class Reporter(Protocol):
    """Where the loop's numbers go."""

    def log(self, step: int, epoch: float, metrics: dict[str, float]) -> None:
        """Keep these values of this step."""

    def advance(self, steps: int, **shown: float) -> None:
        """Show that so many steps are done."""


@dataclass
class Progress:
    """How far a stage is; a part of every checkpoint.

    Attributes:
        step: optimiser steps done.
        best_step, best_value: of the stopping metric; None before the first validation.
        finished: no step is left, by budget or by early stopping.
    """

    step: int = 0
    best_step: int | None = None
    best_value: float | None = None
    finished: bool = False


class Trainer:
    """Trains a stage from wherever its checkpoint left it.

    Args:
        fabric: device, precision, processes.
        trainable: model and objective, as Fabric wrapped them.
        optimizer: as Fabric wrapped it.
        optimization: the optimiser itself and its schedule.
        budget: batch size, accumulation, clipping, and how often to validate and save.
        stop: which validation metric selects and stops, if any.
        total_steps, steps_per_epoch: of this stage.
        validate: gives the validation metrics `val/...`, or None where there is nothing to validate.
        reporter: log and progress.
        folder: where checkpoints go.
        draw: draws a picture of what is learned, told the step; None where there is nothing to draw.
    """

    def __init__(
        self, fabric: Fabric, trainable: Any, optimizer: Any, optimization: Optimization, budget: Budget,
        stop: Stop | None, total_steps: int, steps_per_epoch: int, validate: Validate | None, reporter: Reporter,
        folder: Path, draw: Draw | None = None,
    ) -> None:  # fmt: skip
        self.fabric, self.trainable, self.optimizer, self.optimization = fabric, trainable, optimizer, optimization
        self.raw: Trainable = trainable.module
        self.budget, self.stop = budget, stop
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch
        self.validate_every = budget.validate_every or steps_per_epoch
        self.validate, self.reporter, self.folder, self.draw = validate, reporter, folder, draw
        self.draw_every = 0 if budget.figure_epochs is None else max(1, round(budget.figure_epochs * steps_per_epoch))
        self.rate = 0.0
        self.progress = Progress()
        self._sums: dict[str, Tensor] = {}
        self._summed = 0

    def fit(self, batches: Iterator[list[Batch]], guard: InterruptGuard) -> None:
        """Train to the end of the budget or to an early stop.

        Raises:
            Interrupted: asked to stop; a checkpoint of the last step is written.
            CheckpointError: a checkpoint could not be written.
            TrainingDiverged: loss or weights are no longer finite; the last checkpoint is from before.
        """
        self.trainable.train()
        saved_at = time.monotonic()
        while not self.progress.finished:
            self.step(next(batches))
            step = self.progress.step
            due = step % self.validate_every == 0 or step == self.total_steps
            if step % LOG_EVERY == 0 or step == self.total_steps or due:
                self._log()
            if due and self.validate is not None:
                self._validate()
            if self.draw_every and step % self.draw_every == 0 and step < self.total_steps:
                self._draw()
            self.progress.finished = self.progress.finished or step >= self.total_steps
            asked, late = self._agree(guard.asked, time.monotonic() - saved_at > self.budget.checkpoint_seconds)
            if asked or late or self.progress.finished or (due and self.validate is not None):
                self.save()
                saved_at = time.monotonic()
            if asked and not self.progress.finished:
                raise Interrupted

    def step(self, micro_batches: list[Batch]) -> None:
        """One optimiser step on its micro-batches."""
        self.rate = self.optimization.set_step(self.progress.step)
        self.raw.objective.before_step(self.raw.model)
        if self.raw.objective.compares and len(micro_batches) > 1:
            self._accumulate(backward_compared(self.fabric, self.raw, micro_batches), 1)
        else:
            self._backward(micro_batches)
        if self.budget.clip_norm is not None:
            self.fabric.clip_gradients(
                self.trainable, self.optimizer, max_norm=self.budget.clip_norm, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.raw.objective.after_step(self.raw.model)
        self.progress.step += 1
        self._summed += 1
        self.reporter.advance(1)

    def _backward(self, micro_batches: list[Batch]) -> None:
        for index, batch in enumerate(micro_batches):
            last = index == len(micro_batches) - 1
            with self.fabric.no_backward_sync(self.trainable, enabled=not last):
                losses = self.trainable(batch)
                total = torch.stack(list(losses.values())).sum() / len(micro_batches)
                self.fabric.backward(total)
            self._accumulate(losses, len(micro_batches))

    def _accumulate(self, losses: dict[str, Tensor], parts: int) -> None:
        """Sums stay on the device until the next log."""
        for name, value in losses.items():
            share = value.detach().float() / parts
            self._sums[name] = self._sums[name] + share if name in self._sums else share

    def _log(self) -> None:
        if not self._summed:
            return
        self._share_sums()
        means = {name: value.item() / self._summed for name, value in self._sums.items()}
        if not all(math.isfinite(value) for value in means.values()):
            raise self._diverged(f"loss {means}")
        metrics = {"train/loss": sum(means.values()), "train/lr": self.rate}
        if len(means) > 1:
            metrics |= {f"train/loss/{name}": value for name, value in means.items()}
        self.reporter.log(self.progress.step, self.epoch, metrics)
        self.reporter.advance(0, loss=metrics["train/loss"])
        self._sums, self._summed = {}, 0

    def _share_sums(self) -> None:
        """Make the sums the mean over all processes, each of which has seen its own cases."""
        if self.fabric.world_size > 1:
            for name, value in self._sums.items():
                self._sums[name] = self.fabric.all_reduce(value, reduce_op="mean")  # type: ignore[assignment]

    def _validate(self) -> None:
        assert self.validate is not None
        share_buffers(self.fabric, self.raw)
        self.trainable.eval()
        with torch.no_grad():
            metrics = self.validate()
        self.trainable.train()
        self.reporter.log(self.progress.step, self.epoch, metrics)
        if self.stop is None:
            return
        value = metrics[self.stop.metric]
        if self.stop.better(value, self.progress.best_value):
            self.progress.best_value, self.progress.best_step = value, self.progress.step
        if self.stop.patience_steps is None or self.progress.best_step is None:  # undefined so far
            return
        if self.progress.step - self.progress.best_step >= self.stop.patience_steps:
            self.progress.finished = True

    def _draw(self) -> None:
        if self.draw is not None:
            self.trainable.eval()
            self.draw(self.progress.step)
            self.trainable.train()

    @property
    def epoch(self) -> float:
        """Passes over the training cases so far."""
        return self.progress.step / self.steps_per_epoch

    def save(self) -> None:
        """Write a checkpoint from which this run goes on as if it had never stopped.

        Raises:
            CheckpointError: it could not be written.
            TrainingDiverged: it would hold what is not finite; the checkpoints that are there stay.
        """
        self._share_sums()
        self._require_finite()
        randomness = self._random_states()
        if self.fabric.is_global_zero:
            save_checkpoint(
                self.folder,
                {
                    "progress": vars(self.progress).copy(),
                    "trainable": self.raw.state_dict(),
                    "optimizer": self.optimization.optimizer.state_dict(),
                    "random": randomness,
                    "sums": {name: value.cpu() for name, value in self._sums.items()},
                    "summed": self._summed,
                },
            )
        self._keep_best()

    def _keep_best(self) -> None:
        """Where the weights of this step are the best so far, keep them; a kill before that is made good by `load`."""
        if self.progress.best_step == self.progress.step and self.fabric.is_global_zero:
            save_best(self.folder, {"step": self.progress.step, "trainable": self.raw.state_dict()})
        self.fabric.barrier()

    def _require_finite(self) -> None:
        weights = [parameter.detach() for parameter in self.raw.parameters() if parameter.requires_grad]
        largest = torch.nn.utils.get_total_norm(weights, float("inf")).float()
        if not torch.stack([largest, *self._sums.values()]).isfinite().all():
            raise self._diverged("loss or weights")

    def _diverged(self, what: str) -> TrainingDiverged:
        return TrainingDiverged(
            f"training diverged: at step {self.progress.step} {what} is no longer finite. lower optim.lr, or set "
            f"budget.clip_norm. what checkpoints there are in {self.folder} are from before"
        )

    def load(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint's state."""
        self.progress = Progress(**state["progress"])
        self.raw.load_state_dict(state["trainable"])
        self.optimization.optimizer.load_state_dict(state["optimizer"])
        self._sums = {name: value.to(self.fabric.device) for name, value in state["sums"].items()}
        self._summed = state["summed"]
        states = state["random"]
        set_random_state(states[self.fabric.global_rank % len(states)], self.fabric.device)
        self._keep_best()

    def _random_states(self) -> list[dict[str, Any]]:
        """Every process's random states, in rank order."""
        own = random_state(self.fabric.device)
        if self.fabric.world_size == 1:
            return [own]
        gathered: list[Any] = [None] * self.fabric.world_size
        torch.distributed.all_gather_object(gathered, own)
        return gathered

    def _agree(self, *flags: bool) -> list[bool]:
        """Each flag as true where it is on any process, so that all save and stop at the same step.

        Several processes ask each other only at log intervals: a message at every step would cost more than it gives.
        """
        if self.fabric.world_size == 1:
            return list(flags)
        if self.progress.step % LOG_EVERY and not self.progress.finished:
            return [False] * len(flags)
        raised = self.fabric.all_reduce(
            torch.tensor([float(f) for f in flags], device=self.fabric.device), reduce_op="sum"
        )
        return [bool(value > 0) for value in raised]


def share_buffers(fabric: Fabric, module: torch.nn.Module) -> None:
    """Give every process the first one's running statistics: those are what checkpoints hold and what predicts."""
    if fabric.world_size > 1:
        for buffer in module.buffers():
            if buffer.is_floating_point():
                torch.distributed.broadcast(buffer, src=0)

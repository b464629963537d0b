"""The parts of a stage that are not components: budget and stopping. Their signatures are their schemas too."""

from __future__ import annotations

from typing import Literal

from medvl.errors import ConfigError


class Budget:
    """How long a stage trains, and in what bites.

    Args:
        epochs: passes over the training cases; or give `steps`.
        steps: optimiser steps; or give `epochs`. 0 trains nothing: the weights are evaluated as they start.
        batch_size: cases of one optimiser step, over all processes and micro-batches together.
        accumulate: micro-batches that one optimiser step is split into.
        clip_norm: largest norm of the gradient; none for no clipping.
        validate_every: optimiser steps between validations; none for once an epoch.
        checkpoint_seconds: seconds between checkpoints, beside those at validations.
        figure_epochs: epochs between pictures of what an objective hides and restores, where it does; none for the last
            picture alone.
        sort_window: batches among which cases are sorted by the length of their text, so that little of a batch is
            padding (50 leave 4 % of it; the batches are shuffled again). None keeps the order purely random, as
            objectives that compare the cases of a batch with each other want it.
    """

    def __init__(
        self,
        *,
        epochs: float | None = None,
        steps: int | None = None,
        batch_size: int = 32,
        accumulate: int = 1,
        clip_norm: float | None = None,
        validate_every: int | None = None,
        checkpoint_seconds: float = 60.0,
        figure_epochs: float | None = 10.0,
        sort_window: int | None = None,
    ) -> None:
        if (epochs is None) == (steps is None):
            raise ConfigError("give either epochs or steps")
        for name, value in (
            ("epochs", epochs),
            ("steps", steps),
            ("batch_size", batch_size),
            ("accumulate", accumulate),
            ("sort_window", sort_window),
            ("figure_epochs", figure_epochs),
        ):
            if value is not None and value <= 0 and (name, value) != ("steps", 0):
                raise ConfigError(f"{name} must be {'at least' if name == 'steps' else 'above'} 0, found {value}")
        if validate_every is not None and validate_every <= 0:
            raise ConfigError(f"validate_every must be above 0, found {validate_every}")
        self.epochs, self.steps = epochs, steps
        self.batch_size, self.accumulate = batch_size, accumulate
        self.clip_norm = clip_norm
        self.validate_every = validate_every
        self.checkpoint_seconds = checkpoint_seconds
        self.figure_epochs = figure_epochs
        self.sort_window = sort_window

    @property
    def trains(self) -> bool:
        """Whether there is a step to take."""
        return self.steps != 0

    def total_steps(self, steps_per_epoch: int) -> int:
        """Optimiser steps of the whole stage."""
        return self.steps if self.steps is not None else max(1, round(self.epochs * steps_per_epoch))  # type: ignore[operator]


class Stop:
    """Which checkpoint is best, and when to stop early.

    Args:
        metric: a validation metric, e.g. `val/f1_micro` or `val/loss`.
        patience_steps: stop after so many optimiser steps without a better value; none never stops early.
        mode: whether larger is better; `auto` takes the smaller for losses and perplexities, the larger for all else.
    """

    def __init__(
        self, *, metric: str, patience_steps: int | None = None, mode: Literal["auto", "max", "min"] = "auto"
    ) -> None:
        if not metric.startswith("val/"):
            raise ConfigError(
                f"metric must be a validation metric, val/NAME: found '{metric}'. the test split never selects"
            )
        self.metric = metric
        self.patience_steps = patience_steps
        self.larger_is_better = mode == "max" or (mode == "auto" and not metric.endswith(("loss", "perplexity")))

    def better(self, value: float, best: float | None) -> bool:
        """True where `value` beats `best`; an undefined value (NaN) never does."""
        if value != value:
            return False
        return best is None or (value > best if self.larger_is_better else value < best)

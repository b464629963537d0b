"""The training loop's numbers: into metrics.csv and TensorBoard, and onto the progress bar."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from medvl.engine.context import StageContext
from medvl.runs import folder as names
from medvl.runs.metrics_log import MetricsLog
from medvl.runs.progress import Progress


class Journal:
    """What a `Trainer` reports to. Of several processes one writes; the others' journals stay silent.

    Args:
        context: of the stage.
        total: optimiser steps in all.
        start: optimiser steps done; what was written of later ones is forgotten, since they are done again.
    """

    def __init__(self, context: StageContext, total: int, start: int) -> None:
        self._log: MetricsLog | None = None
        self.notes: list[str] = []
        if context.leads:
            board = context.folder / names.TENSORBOARD
            self._log = MetricsLog(context.folder / names.METRICS, tensorboard=board)
            self._log.truncate_after(start)
            self.notes = self._log.notes
        self._bar = Progress(context.stage.name, total, start=start, enabled=context.leads)
        self._open = ExitStack()

    def log(self, step: int, epoch: float, metrics: dict[str, float]) -> None:
        """Write the values of a step."""
        if self._log is not None:
            self._log.write(step, metrics, epoch)

    def advance(self, steps: int, **shown: float) -> None:
        """Move the bar."""
        self._bar.advance(steps, **shown)

    def __enter__(self) -> Self:
        if self._log is not None:
            self._open.enter_context(self._log)
        self._open.enter_context(self._bar)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

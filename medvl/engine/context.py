"""What every part of a stage's run needs to know: the plan, the machine, the folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medvl.config.experiment import Experiment, Stage
from medvl.data.cases import CaseArrays
from medvl.data.feed import Feeder
from medvl.engine.assemble import build_views
from medvl.engine.identity import stage_seed
from medvl.engine.interrupt import InterruptGuard
from medvl.engine.plan import Plan

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class StageContext:
    """One stage of one experiment on one machine.

    Attributes:
        hash: names the stage's configuration, data and parents.
        folder: `runs/NAME/STAGE-HASH`.
        parents: stage name -> folder of the stages it starts from.
        guard: says whether the run was asked to stop.
        pictures: whether the stage draws its curves; for a few seconds of training they take longer than all else.
    """

    experiment: Experiment
    plan: Plan
    fabric: Fabric
    hash: str
    folder: Path
    parents: dict[str, Path]
    guard: InterruptGuard
    pictures: bool = True

    @property
    def stage(self) -> Stage:
        """The stage's resolved configuration."""
        return self.plan.stage

    @property
    def seed(self) -> int:
        """The stage's own seed."""
        return stage_seed(self.experiment, self.stage)

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.fabric.is_global_zero

    def feeder(self, cases: CaseArrays, *, accumulate: int = 1, sort_window: int | None = None) -> Feeder:
        """Batches of these cases, seen through the objective's views; as features where they have them."""
        return self._feeder(cases, self.fabric.global_rank, self.fabric.world_size, accumulate, sort_window)

    def own_feeder(self, cases: CaseArrays) -> Feeder:
        """The same of cases that this process alone sees; a batch is no larger than a process has in training."""
        return self._feeder(cases, 0, 1, self.stage.budget.batch_size // self.micro_batch, None)

    @property
    def micro_batch(self) -> int:
        """How many cases a process has in memory at a time in training."""
        budget = self.stage.budget
        return max(1, budget.batch_size // (budget.accumulate * self.fabric.world_size))

    def _feeder(self, cases: CaseArrays, rank: int, world: int, accumulate: int, sort_window: int | None) -> Feeder:
        wanted = self.plan.views if cases.features is None else ()
        views = {name: view for name, view in build_views(self.stage).items() if name in wanted}
        return Feeder(
            cases, views, batch_size=self.stage.budget.batch_size, device=self.fabric.device, seed=self.seed,
            rank=rank, world=world, accumulate=accumulate, sort_window=sort_window,
        )  # fmt: skip

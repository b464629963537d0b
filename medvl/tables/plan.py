"""All that a table needs, checked before anything runs: its cells, and the distinct stages behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from medvl.config.experiment import Experiment
from medvl.config.matrix import Cell, Matrix
from medvl.engine.check import Plan
from medvl.engine.hardware import settle
from medvl.engine.located import Located
from medvl.errors import ConfigError, MedvlError, nearest
from medvl.runs.manifest import is_complete
from medvl.tables.planner import Planner


@dataclass
class StageRun:
    """A stage that one or more cells need, to be run once.

    Attributes:
        stage: its name.
        at: its hash, folder and parents' folders.
        parents: hashes of the stages it starts from.
        experiment: of the first cell that needs it; all others give the same stage.
        plan: what it builds and reads.
        device: `cpu` or `cuda`.
        cells: those that need it, for their own result or for one that follows from it.
    """

    stage: str
    at: Located
    parents: tuple[str, ...]
    experiment: Experiment
    plan: Plan
    device: str
    cells: list[Cell] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether it has been run, by this table or by anything else."""
        return is_complete(self.at.folder)


@dataclass
class TablePlan:
    """A table that can be run.

    Attributes:
        matrix: what the file says.
        name: of the experiment; `folder`: where its tables go.
        stages: hash -> stage, parents first.
        needed: cell (as text) -> hash of the stage whose metric it shows.
    """

    matrix: Matrix
    name: str
    folder: Path
    stages: dict[str, StageRun]
    needed: dict[str, str]

    def shown(self, cell: Cell) -> StageRun:
        """The stage whose metric a cell shows."""
        return self.stages[self.needed[str(cell)]]

    def left(self) -> list[StageRun]:
        """The stages that are not finished, parents first."""
        return [stage for stage in self.stages.values() if not stage.finished]


def plan_table(matrix: Matrix, planner: Planner) -> TablePlan:
    """Resolve and check every cell, and find the stages that they share.

    Raises:
        ConfigError: all problems of all cells at once, each with the cells it is in.
    """
    problems = _Problems()
    stages: dict[str, StageRun] = {}
    needed: dict[str, str] = {}
    name, folder = "", Path()
    for cell in matrix.cells:
        with problems.of(cell):
            experiment = planner.experiment(tree := matrix.tree_of(cell))
            if experiment.devices != 1:
                raise ConfigError(f"{tree.place(('devices',))}: a table runs each stage on one device; devices: 1")
            tree.values["runs"] = str(experiment.runs)  # workers may have another working folder
            plans = planner.check(experiment)
            _check_metric(matrix, plans)
            places = planner.locate(experiment, plans)
            name, folder = experiment.name, experiment.runs / experiment.name / "tables"
            device, _ = settle(experiment.device, experiment.precision)
            for stage, at in places.items():
                parents = tuple(places[parent].hash for parent in at.parents)
                run = StageRun(stage, at, parents, experiment, plans[stage], device)
                stages.setdefault(at.hash, run).cells.append(cell)
            needed[str(cell)] = places[matrix.layout.stage].hash
    problems.tell(len(matrix.cells))
    return TablePlan(matrix, name, folder, stages, needed)


def _check_metric(matrix: Matrix, plans: dict[str, Plan]) -> None:
    layout, place = matrix.layout, matrix.tree.place(("table", "metric"))
    if layout.stage not in plans:
        near = nearest(layout.stage, plans)
        raise ConfigError(f"{place}: no stage '{layout.stage}'.{near} stages: {', '.join(plans)}")
    known = [name for evaluator in plans[layout.stage].evaluators for name in evaluator.metrics()]
    if layout.metric not in known:
        near = nearest(layout.metric, known)
        listed = ", ".join(name for name in dict.fromkeys(known) if "/" not in name) or "none"
        raise ConfigError(
            f"{place}: no evaluator of stage '{layout.stage}' gives '{layout.metric}'.{near} known: {listed}"
        )


class _Problems:
    """What is wrong, and in which cells: most mistakes are in many."""

    def __init__(self) -> None:
        self._cells: dict[str, list[Cell]] = {}

    @contextmanager
    def of(self, cell: Cell) -> Iterator[None]:
        """Keep the errors of this block that a user can mend, and go on."""
        try:
            yield
        except MedvlError as error:
            for problem in error.problems if isinstance(error, ConfigError) else [str(error)]:
                self._cells.setdefault(problem, []).append(cell)

    def tell(self, cells: int) -> None:
        """Raise all at once."""
        if self._cells:
            raise ConfigError([f"{problem} ({_where(found, cells)})" for problem, found in self._cells.items()])


def _where(found: list[Cell], cells: int) -> str:
    if len(found) == cells:
        return "in every cell"
    return f"in cell {found[0]}" if len(found) == 1 else f"in {len(found)} of {cells} cells, the first: {found[0]}"

"""All that a table needs, checked before anything runs: its cells, and the distinct stages behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from medvl.config.experiment import Experiment
from medvl.config.layout import Metric
from medvl.config.matrix import Cell, Matrix
from medvl.config.smoke import shrink
from medvl.config.source import Tree
from medvl.engine.hardware import settle
from medvl.engine.located import Located
from medvl.engine.plan import Plan
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
        smoke: whether the cells were made tiny.
        stages: hash -> stage, parents first.
        needed: cell (as text) and stage -> hash of that stage, for those whose metrics are shown.
    """

    matrix: Matrix
    name: str
    folder: Path
    smoke: bool
    stages: dict[str, StageRun]
    needed: dict[tuple[str, str], str]

    def shown(self, cell: Cell, metric: Metric) -> StageRun | None:
        """The stage whose metric a cell shows; None where the cell is without it."""
        found = self.needed.get((str(cell), metric.stage))
        return None if found is None else self.stages[found]

    def left(self) -> list[StageRun]:
        """The stages that are not finished, parents first."""
        return [stage for stage in self.stages.values() if not stage.finished]


def plan_table(matrix: Matrix, planner: Planner, smoke: bool = False) -> TablePlan:
    """Resolve and check every cell, and find the stages that they share.

    Args:
        matrix: as read.
        planner: checks.
        smoke: make cells tiny (`medvl.config.smoke`), and take no more of them than hold every choice once; also where
            the file says `smoke: true`.

    Raises:
        ConfigError: all problems of all cells at once, each with the cells it is in.
    """
    problems = _Problems()
    stages: dict[str, StageRun] = {}
    needed: dict[tuple[str, str], str] = {}
    name, folder = "", Path()
    smoke = smoke or bool(matrix.tree.values.get("smoke"))
    if smoke:
        matrix = matrix.each_choice_once()
    for cell in matrix.cells:
        with problems.of(cell):
            tree = matrix.tree_of(cell)
            if smoke:
                shrink(tree, planner.plugins(tree))
            experiment = planner.experiment(tree)
            if experiment.devices != 1:
                raise ConfigError(f"{tree.place(('devices',))}: a table runs each stage on one device; devices: 1")
            tree.values["runs"] = str(experiment.runs)  # workers may have another working folder
            plans = planner.check(experiment)
            for metric in matrix.layout.metrics:
                _check_metric(matrix, metric, tree, plans)
            places = planner.locate(experiment, plans)
            name, folder = experiment.name, experiment.runs / experiment.name / "tables"
            device, _ = settle(experiment.device, experiment.precision)
            for stage, at in places.items():
                parents = tuple(places[parent].hash for parent in at.parents)
                run = StageRun(stage, at, parents, experiment, plans[stage], device)
                stages.setdefault(at.hash, run).cells.append(cell)
            for metric in matrix.layout.metrics:
                if metric.stage in places:
                    needed[str(cell), metric.stage] = places[metric.stage].hash
    problems.tell(len(matrix.cells))
    return TablePlan(matrix, name, folder, smoke, stages, needed)


def _check_metric(matrix: Matrix, metric: Metric, tree: Tree, plans: dict[str, Plan]) -> None:
    several = matrix.layout.several
    place = matrix.tree.place(("table", "metric", metric.label) if several else ("table", "metric"))
    if metric.stage not in plans:
        if several and metric.stage in (tree.values.get("stages") or {}):
            return  # a choice takes this stage away from the cell, and others have it
        near = nearest(metric.stage, plans)
        raise ConfigError(f"{place}: no stage '{metric.stage}'.{near} stages: {', '.join(plans)}")
    if matrix.layout.search and plans[metric.stage].stage.stop is None:
        raise ConfigError(
            f"{matrix.tree.place(('table', 'search'))}: {', '.join(matrix.layout.search)} is searched on validation, "
            f"and stage '{metric.stage}' selects by nothing there. do: give it stop: {{metric: val/...}}"
        )
    known = [name for evaluator in plans[metric.stage].evaluators for name in evaluator.metrics()]
    if metric.name not in known:
        near = nearest(metric.name, known)
        listed = ", ".join(name for name in dict.fromkeys(known) if "/" not in name) or "none"
        raise ConfigError(
            f"{place}: no evaluator of stage '{metric.stage}' gives '{metric.name}'.{near} known: {listed}"
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

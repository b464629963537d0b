"""How long a table will take, from a few timed steps of each kind of stage that it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from medvl.data.draw import rows_of, splits_of
from medvl.data.study_table import open_table
from medvl.engine.asked import selects
from medvl.engine.assemble import build_dataset
from medvl.engine.stage_data import evaluated_splits
from medvl.errors import MedvlError
from medvl.evaluate.base import Evaluator
from medvl.tables.plan import StageRun, TablePlan
from medvl.tables.timing import STEPS, Timing, kind_of, time_stage

AROUND = 1.0  # seconds of a stage beside its steps and predictions: opening data, checkpoints, files


@dataclass(frozen=True)
class Forecast:
    """What is left of a table, in seconds.

    Attributes:
        stages: hash -> seconds of each stage that is left; those that cannot be timed are not in it.
        wall: of all of them, several at once.
        assumptions: sentences about what this rests on.
    """

    stages: dict[str, float]
    wall: float
    assumptions: list[str]


def forecast(plan: TablePlan, jobs: int, threads: int, tell: Callable[[int, int], None]) -> Forecast:
    """Time each kind of stage that is left, and add up.

    Args:
        plan: of the table.
        jobs: stages at once.
        threads: of each on the CPU.
        tell: called with (kinds timed, kinds in all).
    """
    left = plan.left()
    kinds: dict[str, list[StageRun]] = {}
    for run in left:
        kinds.setdefault(kind_of(run), []).append(run)
    seconds: dict[str, float] = {}
    failures: list[str] = []
    kept: set[tuple[object, ...]] = set()
    for number, runs in enumerate(kinds.values(), start=1):
        try:
            timing = time_stage(runs[0], threads)
            for run in runs:
                seconds[run.at.hash] = _seconds(run, timing) + _encoding(run, timing, kept)
        except MedvlError as error:
            failures.append(f"{len(runs)} stages like {runs[0].stage} are left out, which cannot be timed: {error}")
        tell(number, len(kinds))
    wall = max([sum(seconds.values()) / jobs, *_chains(plan, seconds).values()], default=0.0)
    return Forecast(seconds, wall, [*_assumptions(left, len(kinds), jobs, threads), *failures])


def _seconds(run: StageRun, timing: Timing) -> float:
    """A stage by itself: steps, validations, evaluation."""
    stage, plan = run.plan.stage, run.plan
    cases = _cases(run)
    per_epoch = max(1, cases["learning"] // stage.budget.batch_size)
    steps = stage.budget.total_steps(per_epoch)
    validations = -(-steps // (stage.budget.validate_every or per_epoch)) if "val" in cases else 0
    passes = 2 if plan.evaluators else 1  # of a validation: losses, and what evaluators read
    predicted = passes * validations * cases.get("val", 0)
    predicted += sum(cases[evaluator.split] for evaluator in plan.evaluators)
    pairs = sum(
        _pairs(evaluator, cases[evaluator.split])
        + (validations * _pairs(evaluator, cases.get("val", 0)) if selects(stage, evaluator) else 0)
        for evaluator in plan.pairing
    )
    return AROUND + steps * timing.step + (predicted * timing.predict + pairs * timing.pairs) / timing.cases


def _pairs(evaluator: Evaluator, cases: int) -> int:
    """How many pairs of a split's cases are scored for an evaluator."""
    count, size = evaluator.pools_of(cases).shape if cases else (0, 0)
    return count * size**2


def _encoding(run: StageRun, timing: Timing, kept: set[tuple[object, ...]]) -> float:
    """Features of a frozen encoder, which the first of the stages that share them computes."""
    key = (run.parents, run.plan.stage.data.name, timing.encode > 0)
    if not timing.encode or key in kept:
        return 0.0
    kept.add(key)
    return sum(_cases(run).values()) / timing.cases * timing.encode


def _cases(run: StageRun) -> dict[str, int]:
    """Cases to learn from and of each split that is looked at; no image is read."""
    stage, seed = run.plan.stage, run.experiment.seed
    dataset, selection = build_dataset(stage), stage.selection
    table = open_table(dataset)
    sides = splits_of(table, selection, seed, split_by=dataset.split_by, presets=dataset.expectations)
    rows = partial(rows_of, table, selection=selection, seed=seed, splits=sides)
    found = {split: len(rows(split)) for split in evaluated_splits(run.plan)}
    return found | {"learning": len(rows(selection.split))}


def _chains(plan: TablePlan, seconds: dict[str, float]) -> dict[str, float]:
    """Seconds until each stage can be done, were there workers for all: parents come first."""
    found: dict[str, float] = {}
    for hash, run in plan.stages.items():
        found[hash] = seconds.get(hash, 0.0) + max((found[parent] for parent in run.parents), default=0.0)
    return found


def _assumptions(left: list[StageRun], kinds: int, jobs: int, threads: int) -> list[str]:
    device = left[0].device if left else "cpu"
    each = f"{threads} thread{'s' if threads > 1 else ''} each" if device == "cpu" else "a GPU each"
    return [
        f"from {STEPS} steps of each of {kinds} kinds of stage, one at a time on {device}, of random images and words",
        f"{jobs} at once, {each}; no stage stops early; images are decoded; {AROUND:g} s around each stage",
    ]

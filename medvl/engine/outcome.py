"""What a stage left: its folder, and the tables of its evaluators, from memory or from an earlier run's files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from medvl.engine.check import Plan
from medvl.evaluate.base import Evaluator, Result
from medvl.runs.manifest import is_complete
from medvl.runs.results import read_results
from medvl.runs.tables import Table


@dataclass
class Outcome:
    """What a stage left.

    Attributes:
        folder: `runs/NAME/STAGE-HASH`.
        tables: of its evaluators, to print.
        notes: sentences worth telling.
        reused: True where an earlier run had finished it already.
    """

    stage: str
    folder: Path
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reused: bool = False


def finished_outcome(plan: Plan, folder: Path) -> Outcome | None:
    """The outcome of a stage that an earlier run finished, or None where it did not."""
    if not is_complete(folder):
        return None
    tables = [
        result_table(plan.stage.name, evaluator, stored.name, stored.result)
        for evaluator, stored in zip(plan.evaluators, read_results(folder), strict=True)
    ]
    return Outcome(plan.stage.name, folder, tables, reused=True)


def result_table(stage: str, evaluator: Evaluator, name: str, result: Result) -> Table:
    """One evaluator's result as a table."""
    columns, rows = evaluator.table(result)
    return Table(f"{stage}: {name} on {evaluator.split}", columns, rows, result.notes)

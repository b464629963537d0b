"""What a stage left: its folder, and the tables of its evaluators, from memory or from an earlier run's files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medvl.engine.check import Plan
from medvl.errors import DataError
from medvl.evaluate.base import Evaluator, Result
from medvl.files import write_text_atomic
from medvl.runs.folder import RESULTS
from medvl.runs.manifest import Manifest
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
    try:
        if Manifest.read(folder).status != "complete":
            return None
    except DataError:  # never started, or killed before its first word
        return None
    tables = [
        result_table(plan.stage.name, evaluator, values["name"], _result(values))
        for evaluator, values in zip(plan.evaluators, _stored(folder), strict=True)
    ]
    return Outcome(plan.stage.name, folder, tables, reused=True)


def write_results(folder: Path, names: Sequence[str], evaluators: Sequence[Evaluator], results: list[Result]) -> None:
    """Write `results.json`: each evaluator's metrics, intervals, notes and counts, in the order of the YAML."""
    values = [
        {"name": name, "split": evaluator.split, **vars(result)}
        for name, evaluator, result in zip(names, evaluators, results, strict=True)
    ]
    write_text_atomic(folder / RESULTS, json.dumps(values, indent=2))


def result_table(stage: str, evaluator: Evaluator, name: str, result: Result) -> Table:
    """One evaluator's result as a table."""
    columns, rows = evaluator.table(result)
    return Table(f"{stage}: {name} on {evaluator.split}", columns, rows, result.notes)


def _stored(folder: Path) -> list[dict[str, Any]]:
    path = folder / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def _result(values: dict[str, Any]) -> Result:
    intervals = {name: (low, high) for name, (low, high) in values["intervals"].items()}
    return Result(values["metrics"], intervals, values["notes"], values["counts"])

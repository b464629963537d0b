"""What a stage's evaluators found, in `results.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medvl.evaluate.base import Evaluator, Result
from medvl.files import write_text_atomic
from medvl.runs.folder import RESULTS


@dataclass(frozen=True)
class StoredResult:
    """One evaluator's result: its registered name, the split it looked at, and what it found."""

    name: str
    split: str
    result: Result


def write_results(folder: Path, names: Sequence[str], evaluators: Sequence[Evaluator], results: list[Result]) -> None:
    """Write each evaluator's metrics, intervals, notes and counts, in the order of the YAML; draws have a file."""
    values = [
        {"name": name, "split": evaluator.split, **vars(result)}
        for name, evaluator, result in zip(names, evaluators, results, strict=True)
    ]
    for each in values:
        del each["draws"]
    write_text_atomic(folder / RESULTS, json.dumps(values, indent=2))


def read_results(folder: Path) -> list[StoredResult]:
    """What `write_results` wrote, in the same order; nothing where a stage evaluates nothing."""
    path = folder / RESULTS
    if not path.is_file():
        return []
    found = []
    for values in json.loads(path.read_text(encoding="utf-8")):
        intervals = {name: (low, high) for name, (low, high) in values["intervals"].items()}
        result = Result(values["metrics"], intervals, values["notes"], values["counts"])
        found.append(StoredResult(values["name"], values["split"], result))
    return found

"""The metrics of every cell, read from the folders of its stages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from medvl.config.layout import Metric
from medvl.config.matrix import Cell
from medvl.evaluate.base import Result
from medvl.runs.folder import ERROR
from medvl.runs.results import read_results
from medvl.runs.verdict import Value
from medvl.tables.job import Report
from medvl.tables.plan import TablePlan


@dataclass(frozen=True)
class CellResult:
    """What a cell's run left of one metric.

    Attributes:
        cell: which.
        metric: of the table's.
        folder: of the stage that gives it.
        result: of the first evaluator that gives the metric; None where the run is not finished.
        failure: why it failed, or empty.
    """

    cell: Cell
    metric: Metric
    folder: Path
    result: Result | None
    failure: str

    def value(self, metric: str) -> Value:
        """One metric."""
        if self.result is None:
            return Value("failed", why=self.failure) if self.failure else Value("not run")
        low, high = self.result.intervals.get(metric, (math.nan, math.nan))
        return Value("done", self.result.metrics.get(metric, math.nan), (low, high))


def read_cells(plan: TablePlan, reports: Mapping[str, Report]) -> list[CellResult]:
    """Every cell in the order of the matrix, each with all metrics of stages that it has.

    Args:
        plan: of the table.
        reports: how the stages ended that were run just now; of the others the folders tell.
    """
    found: dict[tuple[str, Metric], tuple[Result | None, str]] = {}
    cells = []
    for cell, metric in product(plan.matrix.cells, plan.matrix.layout.metrics):
        stage = plan.shown(cell, metric)
        if stage is None:
            continue
        key = stage.at.hash, metric
        if key not in found:
            result = _result(stage.at.folder, metric.name) if stage.finished else None
            found[key] = result, "" if result else _failure(plan, stage.at.hash, reports)
        cells.append(CellResult(cell, metric, stage.at.folder, *found[key]))
    return cells


def _result(folder: Path, metric: str) -> Result | None:
    """The first result that gives the metric."""
    return next((stored.result for stored in read_results(folder) if metric in stored.result.metrics), None)


def _failure(plan: TablePlan, hash: str, reports: Mapping[str, Report]) -> str:
    """Why a stage, or one that it starts from, failed: now, or when it was run last."""
    stage = plan.stages[hash]
    if stage.finished:
        return ""
    if hash in reports:
        return reports[hash].message
    kept = stage.at.folder / ERROR
    if kept.is_file():
        return kept.read_text(encoding="utf-8").splitlines()[0]
    above = (_failure(plan, parent, reports) for parent in stage.parents)
    return next((why for why in above if why), "")

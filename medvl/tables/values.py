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
from medvl.runs.folder import ERROR, METRICS
from medvl.runs.metrics_log import read_metrics
from medvl.runs.results import read_results
from medvl.runs.verdict import Value
from medvl.tables.job import Report
from medvl.tables.plan import StageRun, TablePlan


@dataclass(frozen=True)
class CellResult:
    """What a cell's run left of one metric.

    Attributes:
        cell: which.
        metric: of the table's.
        folder: of the stage that gives it.
        result: of the first evaluator that gives the metric; None where the run is not finished.
        failure: why it failed, or empty.
        validation: the best value that `stop` selected its weights by, larger where better; None where it is not
            finished, or selects by nothing.
    """

    cell: Cell
    metric: Metric
    folder: Path
    result: Result | None
    failure: str
    validation: float | None = None

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
    found: dict[tuple[str, Metric], tuple[Result | None, str, float | None]] = {}
    cells = []
    for cell, metric in product(plan.matrix.cells, plan.matrix.layout.metrics):
        stage = plan.shown(cell, metric)
        if stage is None:
            continue
        key = stage.at.hash, metric
        if key not in found:
            result = _result(stage.at.folder, metric.name) if stage.finished else None
            failure = "" if result else _failure(plan, stage.at.hash, reports)
            searched = result is not None and bool(plan.matrix.layout.search)
            found[key] = result, failure, _validation(stage) if searched else None
        cells.append(CellResult(cell, metric, stage.at.folder, *found[key]))
    return cells


def _validation(stage: StageRun) -> float | None:
    """The best value of the metric that selects, turned so that larger is better."""
    stop = stage.plan.stage.stop
    if stop is None:
        return None
    best: float | None = None
    for record in read_metrics(stage.at.folder / METRICS):
        if record.metric == stop.metric and stop.better(record.value, best):
            best = record.value
    return best if best is None or stop.larger_is_better else -best


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

"""Searched axes: validation chooses, the test split has no say."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from medvl.config.layout import Layout
from medvl.config.matrix import Cell, Matrix
from medvl.config.source import Tree
from medvl.errors import ConfigError
from medvl.evaluate.base import Result
from medvl.runs.metrics_log import MetricsLog
from medvl.tables.render import Rendering
from medvl.tables.search import search
from medvl.tables.values import CellResult, read_cells
from tests.tables import small_table

AXES = {"method": ("mrm", "random"), "rate": ("3e-2", "3e-3"), "seed": ("0", "1")}
LAYOUT = Layout(metric="probe/auroc_macro", rows="method", over="seed", search="rate")
VALIDATION = {
    ("mrm", "3e-2", "0"): 0.8,
    ("mrm", "3e-3", "0"): 0.7,
    ("mrm", "3e-2", "1"): 0.6,
    ("mrm", "3e-3", "1"): 0.9,
}


def cells():
    """The test metric is best where validation is worst."""
    found = []
    for method in AXES["method"]:
        for rate in AXES["rate"]:
            for seed in AXES["seed"]:
                value = VALIDATION.get((method, rate, seed))
                cell = Cell({"method": method, "rate": rate, "seed": seed})
                result = None if value is None else Result({"auroc_macro": 1 - value})
                found.append(CellResult(cell, LAYOUT.metrics[0], Path(f"{method}-{rate}-{seed}"), result, "", value))
    return found


def test_the_best_on_validation_counts_for_each_seed():
    found = search(cells(), ("rate",))
    assert [each.validation for each in found.cells] == [0.8, 0.9, None, None]
    assert [choices for _, choices in found.chosen] == [("3e-2",), ("3e-3",)]


def test_a_stage_that_the_axis_leaves_as_it_is_was_not_chosen():
    found = search([replace(each, folder=Path("shared")) for each in cells()], ("rate",))
    assert len(found.cells) == 4
    assert found.chosen == []


def test_nothing_is_chosen_before_all_are_there_and_what_failed_is_never_best():
    given = cells()
    given[0] = replace(given[0], result=None, validation=None)
    assert search(given, ("rate",)).cells[0] is given[0]
    given[0] = replace(given[0], failure="diverged")
    assert search(given, ("rate",)).cells[0].validation == 0.7
    given[2] = replace(given[2], result=None, validation=None, failure="diverged")
    assert search(given, ("rate",)).cells[0].failure == "diverged"


def test_without_a_searched_axis_all_count():
    given = cells()
    assert search(given, ()).cells == given


def test_the_table_says_what_was_chosen():
    matrix = Matrix(Tree(), AXES, [each.cell for each in cells()], LAYOUT, None)
    rendering = Rendering("x", matrix, cells())
    table = rendering.table()
    assert table.rows[0][1].startswith("0.150")
    assert "rate chosen on validation (3e-2: mrm · 0; 3e-3: mrm · 1)" in table.notes
    assert rendering.cells_csv().count("\n") == 9  # all that were tried


STOP = small_table.BASE.replace("    evaluate:", "    stop: {metric: val/loss}\n    evaluate:")


def test_what_stop_selects_by_is_read_from_the_log(tmp_path, monkeypatch):
    plan = small_table.plan(small_table.write(tmp_path, ("  over: seed", "  search: seed"), base=STOP))
    monkeypatch.setattr("medvl.tables.plan.is_complete", lambda folder: True)
    monkeypatch.setattr("medvl.tables.values._result", lambda folder, metric: Result({metric: 0.5}))
    for number, stage in enumerate(plan.stages.values()):
        stage.at.folder.mkdir(parents=True)
        log = MetricsLog(stage.at.folder / "metrics.csv")
        for step, value in enumerate((3.0, number + 1.0, math.nan, number + 2.0)):
            log.write(step, {"val/loss": value, "train/loss": 0.0})
        log.close()
    folders = [stage.at.folder for stage in plan.stages.values()]
    for each in read_cells(plan, {}):
        assert each.validation == -min(3.0, folders.index(each.folder) + 1.0)


def test_a_stage_that_selects_by_nothing_cannot_be_searched(tmp_path):
    with pytest.raises(ConfigError, match=r"seed is searched on validation, and stage 'probe' selects by nothing"):
        small_table.plan(small_table.write(tmp_path, ("  over: seed", "  search: seed")))

"""Ours beside the paper's, of made-up results and of a run."""

import csv
import io
import math
from pathlib import Path

from medvl.config.layout import Layout, Paper
from medvl.config.matrix import Cell, Matrix
from medvl.config.source import Tree
from medvl.evaluate.base import Result
from medvl.tables.render import Rendering
from medvl.tables.values import CellResult

AXES = {"method": ("clip", "moco"), "target": ("in", "out"), "share": ("1 %", "100 %"), "seed": ("0", "1")}


def made_up(values, paper=None, over="seed", smoke=False, metric="probe/auroc_macro"):
    """A rendering of `values(cell) -> metrics, or a reason for failure, or None`."""
    layout = Layout(metric=metric, rows="method", columns=("target", "share"), over=over)
    keys = [
        (m, t, p, s) for m in AXES["method"] for t in AXES["target"] for p in AXES["share"] for s in AXES["seed"]
        if (m, p) != ("moco", "1 %")
    ]  # fmt: skip
    cells = []
    for number, key in enumerate(keys):
        cell = Cell(dict(zip(AXES, key, strict=True)))
        found = values(cell)
        result = Result(found) if isinstance(found, dict) else None
        failure = found if isinstance(found, str) else ""
        for shown in layout.metrics:
            cells.append(CellResult(cell, shown, Path(f"runs/x/{shown.stage}-{number:02}"), result, failure))
    matrix = Matrix(Tree(), AXES, [each.cell for each in cells], layout, paper and Paper("Nobody 2020", paper))
    return Rendering("x", matrix, cells, smoke)


def steady(cell):
    return {
        "auroc_macro": 0.7 + 0.02 * int(cell.choices["seed"]),
        "auroc/Edema": 0.6,
        "auroc/Mass": math.nan,
        "f1/Edema": 0,
    }


def test_rows_columns_and_what_is_excluded():
    table = made_up(steady).table()
    assert table.title == "x: probe/auroc_macro"
    assert table.columns == ["method", "in · 1 %", "in · 100 %", "out · 1 %", "out · 100 %"]
    assert table.rows[0] == ["clip", *["0.710 ± 0.127"] * 4]
    assert table.rows[1] == ["moco", "", "0.710 ± 0.127", "", "0.710 ± 0.127"]
    assert table.notes == ["mean ± 95 % interval over seed"]


def test_the_paper_s_numbers_and_verdicts():
    paper = {("clip", "in", "1 %"): 0.711, ("clip", "in", "100 %"): 0.8, ("moco", "out", "100 %"): 0.2}
    table = made_up(steady, paper).table()
    assert table.rows[0][1:4] == ["0.710 ± 0.127 [0.711 reproduced]", "0.710 ± 0.127 [0.800 inside]", "0.710 ± 0.127"]
    assert table.rows[1][4] == "0.710 ± 0.127 [0.200 off]"
    assert "reproduced: our mean is within 0.01 of it; inside: it lies in our interval; off: neither" in table.notes
    assert "in brackets: the number of Nobody 2020, and how ours compares" in table.notes
    smoke = made_up(steady, paper, smoke=True).table()
    assert smoke.rows[0][1] == "0.710 ± 0.127 [0.711 smoke only]" and "verdicts: 3 smoke only" in smoke.notes


def test_quoted_rows_are_shown_and_not_run():
    rendering = made_up(steady)
    rendering.matrix.quoted["MEVF"] = Paper("its authors", {("in", "1 %"): 0.439})
    table = rendering.table()
    assert table.rows[-1] == ["MEVF (quoted)", "[0.439]", "", "", ""]
    assert "MEVF: not run, quoted from its authors" in table.notes


def test_failed_missing_and_undefined_cells():
    def values(cell):
        choices = cell.choices
        if choices["target"] == "out":
            return "weights are missing\nsecond line" if choices["seed"] == "1" else steady(cell)
        if choices["method"] == "moco":
            return None
        return {"auroc_macro": math.nan} if (choices["share"], choices["seed"]) != ("1 %", "0") else steady(cell)

    table = made_up(values, {("moco", "in", "100 %"): 0.7}).table()
    one_undefined, both_undefined, one_failed, _ = table.rows[0][1:]
    assert one_undefined == "0.700" and both_undefined == "–" and one_failed == "0.700 (1 of 2) [failed]"
    assert table.rows[1][2] == "[0.700 not run]"
    notes = "\n".join(table.notes)
    assert "undefined in 1 of 2 runs, left out of any mean: clip, in · 1 %" in notes
    assert "undefined in 2 of 2 runs, left out of any mean: clip, in · 100 %" in notes
    assert "clip, out · 1 % (1 of 2 runs, probe-05)" in notes and notes.count("weights are missing") == 1
    assert "second line" not in notes


def test_a_table_of_each_finding_for_each_column():
    tables = made_up(steady).finding_tables()
    assert list(tables) == ["findings-in-1", "findings-in-100", "findings-out-1", "findings-out-100"]
    table = tables["findings-in-1"]
    assert table.title == "x: auroc of each finding, in · 1 %" and table.columns == ["method", "Edema", "Mass"]
    assert table.rows == [["clip", "0.600 ± 0.000", "–"]]
    assert "undefined in 2 of 2 runs, left out of any mean: clip, Mass" in table.notes
    assert [row[0] for row in tables["findings-in-100"].rows] == ["clip", "moco"]


def test_several_metrics_stand_side_by_side():
    """Each with its paper's number; two means of one measure have one table of findings."""
    metric = {"AUROC": "probe/auroc_macro", "Edema": "probe/auroc/Edema", "F1": "finetune/f1/Edema"}
    rendering = made_up(steady, {("clip", "in", "1 %", "Edema"): 0.6, ("clip", "in", "1 %", "F1"): 0.3}, metric=metric)
    table = rendering.table()
    assert table.title == "x" and table.columns[:4] == [
        "method",
        "in · 1 % · AUROC",
        "in · 1 % · Edema",
        "in · 1 % · F1",
    ]
    assert table.rows[0][1:4] == ["0.710 ± 0.127", "0.600 ± 0.000 [0.600 reproduced]", "0.000 ± 0.000 [0.300 off]"]
    assert table.rows[1][1:4] == ["", "", ""]
    assert table.notes[0] == "headings: AUROC: probe/auroc_macro; Edema: probe/auroc/Edema; F1: finetune/f1/Edema"
    assert len(rendering.finding_tables()) == 4
    rows = list(csv.DictReader(io.StringIO(rendering.cells_csv())))
    assert [row["metric"] for row in rows[:3]] == list(metric.values())
    assert rows[2]["folder"] == "finetune-00"


def test_a_metric_that_no_cell_has_is_no_column():
    metric = {"AUROC": "probe/auroc_macro", "F1": "finetune/f1/Edema"}
    rendering = made_up(steady, metric=metric)
    left = [each for each in rendering.cells if each.metric.stage == "probe" or each.cell.choices["method"] == "clip"]
    table = Rendering("x", rendering.matrix, left).table()
    assert [row[2] for row in table.rows] == ["0.000 ± 0.000", ""]
    assert Rendering("x", rendering.matrix, left[:1]).table().columns == ["method", "in · 1 % · AUROC"]


def test_choices_that_differ_in_signs_alone_have_files_of_their_own(monkeypatch):
    monkeypatch.setitem(AXES, "share", ("1 %", "1"))
    assert list(made_up(steady).finding_tables())[:2] == ["findings-in-1", "findings-in-1-2"]


def test_every_cell_as_csv():
    rows = list(
        csv.DictReader(
            io.StringIO(made_up(lambda cell: "no disk" if cell.choices["seed"] == "1" else steady(cell)).cells_csv())
        )
    )
    assert rows[0] == {
        "method": "clip", "target": "in", "share": "1 %", "seed": "0", "metric": "probe/auroc_macro",
        "status": "done", "value": "0.7", "low": "", "high": "", "folder": "probe-00", "failure": "",
    }  # fmt: skip
    assert (rows[1]["status"], rows[1]["value"], rows[1]["failure"]) == ("failed", "", "no disk")


def test_a_run_table_is_printed_and_written(finished):
    lines = finished.stdout.splitlines()
    assert lines[0].startswith("small: probe/auroc_macro") and lines[2].split() == ["method", "1", "%", "all"]
    assert lines[4].startswith(" random") and lines[4].rstrip().endswith("[0.999 off]")
    names = {path.name for path in finished.tables.iterdir()}
    stems = ("table", "findings-1", "findings-all")
    assert names == {f"{stem}.{end}" for stem in stems for end in ("md", "csv", "tex", "html")} | {"cells.csv"}
    cells = list(csv.DictReader((finished.tables / "cells.csv").open()))
    assert len(cells) == 6 and {cell["status"] for cell in cells} == {"done"}
    for cell in cells:
        assert float(cell["low"]) <= float(cell["value"]) <= float(cell["high"])
        assert (finished.root / "runs/small" / cell["folder"] / "results.json").is_file()
    mean = sum(float(cell["value"]) for cell in cells if cell["method"] == "random") / 2
    assert f"{mean:.3f} ±" in lines[4]
    head = (finished.tables / "findings-all.md").read_text()
    assert "Cardiomegaly" in head and head.count("\n| ") >= 3


def test_one_run_each_shows_the_bootstrap_interval():
    layout = Layout(metric="probe/auroc_macro", rows="method")
    cell = Cell({"method": "clip"})
    result = Result({"auroc_macro": 0.7}, {"auroc_macro": (0.65, 0.74)})
    matrix = Matrix(Tree(), {"method": ("clip",)}, [cell], layout, None)
    table = Rendering("x", matrix, [CellResult(cell, layout.metrics[0], Path("a"), result, "")]).table()
    assert table.columns == ["method", "auroc_macro"] and table.rows == [["clip", "0.700 (0.65-0.74)"]]
    assert table.notes == ["one run each; in parentheses its 95 % bootstrap interval over test cases"]

"""A table's stages: shared, resumed, several at once, and what a failure takes with it."""

import os
import signal

import pytest
from click.testing import CliRunner

from medvl.cli.main import app
from medvl.engine.checkpoint import keep_selected, read_checkpoint
from medvl.engine.interrupt import Interrupted
from medvl.engine.run import run_experiment
from medvl.runs.manifest import Manifest
from medvl.tables.planner import Planner
from medvl.tables.render import Rendering
from medvl.tables.schedule import run_stages
from medvl.tables.values import read_cells
from tests import small
from tests.tables import small_table
from tests.tables.small_table import InlineEngine


def folders(root):
    return sorted(path.parent.name for path in (root / "runs/small").glob("*/manifest.json"))


def test_six_cells_share_one_pretraining(finished):
    names = [name.partition("-")[0] for name in folders(finished.root)]
    assert names == ["pretrain", *["probe"] * 6]


def test_two_at_once_give_what_one_after_the_other_gives(finished, tmp_path):
    matrix = small_table.plan(finished.file).matrix
    cell = next(cell for cell in matrix.cells if cell.choices["method"] == "moco")
    tree = matrix.tree_of(cell)
    tree.values["runs"] = str(tmp_path / "runs")
    for outcome in run_experiment(Planner().experiment(tree), {}):
        keep_selected(outcome.folder)
        assert small.differences(finished.root / "runs/small" / outcome.folder.name, outcome.folder) == []


def test_stages_keep_the_selected_weights_and_not_what_they_went_on_from(finished):
    for name in folders(finished.root):
        folder = finished.root / "runs/small" / name
        assert [path.name for path in folder.glob("*.ckpt")] == ["best.ckpt"]
        assert read_checkpoint(folder / "best.ckpt")["step"] == 2


def test_a_finished_table_is_only_shown(finished, monkeypatch):
    monkeypatch.setattr("medvl.tables.engine.make_engine", None)  # nobody may ask for one
    again = CliRunner().invoke(app, ["table", str(finished.file)], catch_exceptions=False)
    assert again.exit_code == 0 and again.stdout == finished.stdout


def test_stages_leave_no_pictures_and_print_into_their_folders(finished):
    for name in folders(finished.root):
        folder = finished.root / "runs/small" / name
        assert "done: 2/2 steps" in (folder / "log.txt").read_text()
        assert not (folder / "figures").exists() and (folder / "metrics.csv").is_file()


def test_a_stopped_table_goes_on_with_what_is_left(tmp_path):
    plan = small_table.plan(small_table.write(tmp_path))
    first, second = StopsAfter(2), InlineEngine()
    with pytest.raises(Interrupted):
        run_stages(plan, first, (), print)
    assert len(first.jobs) == 2 and len(plan.left()) == 5
    run_stages(plan, second, (), print)
    assert sorted(first.jobs + second.jobs) == folders(tmp_path) and plan.left() == []


class StopsAfter(InlineEngine):
    """Somebody presses Ctrl-C while a job is running."""

    def __init__(self, jobs):
        super().__init__()
        self.last = jobs

    def submit(self, job):
        future = super().submit(job)
        if len(self.jobs) == self.last:
            os.kill(os.getpid(), signal.SIGINT)
        return future


BROKEN = ("    moco: {}\n", "    moco: {}\n    mine: {pretrain.image.init: ./mine.safetensors}\n")


def test_a_failure_takes_only_what_starts_from_it(tmp_path):
    file = small_table.write(tmp_path, BROKEN)
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"no weights")
    plan, told = small_table.plan(file), []
    reports = run_stages(plan, InlineEngine(), (), told.append)
    failed = [stage for stage in plan.stages.values() if reports[stage.at.hash].status == "failed"]
    assert [stage.stage for stage in failed] == ["pretrain", *["probe"] * 4]
    assert len(told) == 1 and told[0].startswith("pretrain (method=mine, labels=1 %, seed=0) failed: ")
    folder = failed[0].at.folder
    assert "mine.safetensors" in (folder / "error.txt").read_text() and Manifest.read(folder).status == "failed"

    for known in (reports, {}):  # just now, and when it is shown again later
        table = Rendering("small", plan.matrix, read_cells(plan, known)).table()
        assert [row[1:] for row in table.rows if row[0] == "mine"] == [["failed", "failed"]]
        (note,) = [note for note in table.notes if note.startswith("failed: ")]
        assert "mine, 1 % (2 of 2 runs" in note and "mine.safetensors" in note

    good = next(stage for stage in plan.stages.values() if stage.stage == "pretrain" and stage.finished)
    weights.write_bytes((good.at.folder / "exports/image.safetensors").read_bytes())
    engine = InlineEngine()
    again = run_stages(small_table.plan(file), engine, (), told.append)
    assert len(engine.jobs) == 5 and {report.status for report in again.values()} == {"complete"}
    assert folder.name not in engine.jobs  # other weights under the same name are another stage


SHY = """\
import os

import medvl


class Shy(medvl.Objective):
    views = ("query",)
    needs = ("image.pooled",)

    def __init__(self, model, data):
        super().__init__()

    def forward(self, model, batch):
        if not batch["query"].is_meta and "SHY" in os.environ:
            raise ValueError("not today")
        return {"shy": model.image(batch["query"])["pooled"].mean()}


@medvl.hookimpl
def medvl_register(registry):
    registry.register_objective("shy", Shy)
"""


def test_a_defect_s_traceback_is_kept_and_the_command_ends_with_1(tmp_path, monkeypatch):
    """A plugin's own exception is one line in the table, and all of it in the stage's folder."""
    plugin = tmp_path / "shy.py"
    plugin.write_text(SHY)
    file = small_table.write(tmp_path, ("    moco: {}\n", "    moco: {pretrain.objective: {name: shy}}\n"))
    command = ["table", str(file), "--plugin", str(plugin)]
    monkeypatch.setattr("medvl.tables.engine.make_engine", lambda *_, **__: InlineEngine())
    monkeypatch.setenv("SHY", "today")
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1, done.output
    assert "pretrain (method=moco, labels=1 %, seed=0) failed: ValueError: not today" in done.output
    (error,) = (tmp_path / "runs/small").glob("pretrain-*/error.txt")
    assert "Traceback" in error.read_text() and "shy.py" in error.read_text()

    monkeypatch.delenv("SHY")
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 0, again.output
    assert (error.parent / "metrics.csv").is_file() and not error.exists()

"""What a table says before it runs: runs, sharing, forecast; and what is wrong, with its cells."""

import pytest
from click.testing import CliRunner

from medvl.cli.main import app
from medvl.errors import ConfigError
from medvl.tables import forecast as forecasting
from medvl.tables.dry_run import common_choices, overview, stages_table
from medvl.tables.forecast import AROUND, forecast
from medvl.tables.timing import Timing, kind_of, time_stage
from medvl.tables.values import read_cells
from tests.tables import small_table


def quiet(done, total):
    pass


def test_runs_sharing_and_forecast_are_printed_and_nothing_runs(tmp_path):
    file = small_table.write(tmp_path)
    done = CliRunner().invoke(app, ["table", str(file), "--dry-run", "--jobs", "2"], catch_exceptions=False)
    assert done.exit_code == 0 and not (tmp_path / "runs").exists()
    assert "6 cells, 7 stages (10 if none were shared), 0 finished" in done.stdout
    assert "  pretrain: 1 distinct, shared by 4 cells" in done.stdout and "  probe: 6 distinct\n" in done.stdout
    assert "for the 7 stages that are left" in done.stdout
    assert "from 3 steps of each of 2 kinds of stage, one at a time on cpu" in done.stdout
    assert "2 at once, 1 thread each; no stage stops early" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(" pretrain-")]
    assert line.split()[1:3] == ["method=moco", "4"] and "to run, 0:0" in line


def test_a_finished_table_forecasts_nothing(finished):
    plan = small_table.plan(finished.file)
    expected = forecast(plan, 2, 1, quiet)
    assert expected.wall == 0 and "7 finished" in overview(plan, expected)[0]
    assert {row[3] for row in stages_table(plan, expected).rows} == {"finished"}


def test_a_forecast_adds_up(tmp_path, monkeypatch):
    """Steps, validations and evaluation of each stage; shared out over jobs, but never less than a chain."""
    monkeypatch.setattr(forecasting, "time_stage", lambda run, threads: Timing(10.0, 1.0, 8))
    base = small_table.BASE.replace(
        "budget: {steps: 2, batch_size: 8}\n    evaluate",
        "budget: {steps: 6, batch_size: 8, validate_every: 2}\n    evaluate",
    )
    plan = small_table.plan(small_table.write(tmp_path, base=base))
    seconds = forecast(plan, 2, 1, quiet).stages
    probe = next(run for run in plan.stages.values() if run.stage == "probe")
    pretrain = next(run for run in plan.stages.values() if run.stage == "pretrain")
    cases = forecasting._cases(probe)
    assert cases["learning"] > 0 and {"val", "test", "learning"} == set(cases)
    assert seconds[pretrain.at.hash] == AROUND + 2 * 10
    assert seconds[probe.at.hash] == pytest.approx(AROUND + 6 * 10 + (2 * 3 * cases["val"] + cases["test"]) / 8)
    assert forecast(plan, 2, 1, quiet).wall == pytest.approx(sum(seconds.values()) / 2)
    chain = max(seconds[run.at.hash] for run in plan.stages.values() if run.parents) + seconds[pretrain.at.hash]
    assert forecast(plan, 100, 1, quiet).wall == pytest.approx(chain)


def test_stages_that_take_equally_long_are_one_kind(tmp_path):
    plan = small_table.plan(small_table.write(tmp_path))
    assert len({kind_of(run) for run in plan.stages.values() if run.stage == "probe"}) == 1
    wider = small_table.plan(tmp_path / "table.yaml", "probe.budget.batch_size=4")
    assert len({kind_of(run) for each in (plan, wider) for run in each.stages.values()}) == 3


def test_a_stage_is_timed_whatever_the_length_of_its_warm_up(tmp_path):
    """Three steps stand for all of them, also where the rate rises for longer than that."""
    base = small_table.BASE.replace(
        "lr: 0.001}\n    budget: {steps: 2,",
        "lr: 0.001, schedule: {name: linear, warmup_steps: 60}}\n    budget: {steps: 90,",
    )
    plan = small_table.plan(small_table.write(tmp_path, base=base))
    probe = next(run for run in plan.stages.values() if run.stage == "probe")
    assert probe.plan.stage.plain()["optim"]["schedule"]["warmup_steps"] == 60
    assert time_stage(probe, threads=1).step > 0


def test_what_cannot_be_timed_is_left_out_and_told(tmp_path, monkeypatch):
    def fails(run, threads):
        raise ConfigError("no weights here")

    monkeypatch.setattr(forecasting, "time_stage", fails)
    plan = small_table.plan(small_table.write(tmp_path))
    expected = forecast(plan, 2, 1, quiet)
    assert expected.stages == {} and any("no weights here" in sentence for sentence in expected.assumptions)


def test_the_choices_that_a_stage_s_cells_have_in_common(tmp_path):
    plan = small_table.plan(small_table.write(tmp_path))
    said = {run.stage: common_choices(run) for run in plan.stages.values()}
    assert said == {"pretrain": "method=moco", "probe": "method=moco, labels=all, seed=1"}


def test_all_problems_of_all_cells_at_once_before_anything_runs(tmp_path):
    changes = (
        ("    moco: {}\n", "    moco: {pretrain.objective.momentun: 0.9}\n"),
        ("    1: {probe.optim.lr: 0.002}\n", "    1: {probe.optim.lr: fast}\n"),
    )
    with pytest.raises(ConfigError) as caught:
        small_table.plan(small_table.write(tmp_path, *changes))
    first, second = caught.value.problems
    where = "(in 3 of 6 cells, the first: method=random, labels=all, seed=1)"
    assert "(seed=1) stages.probe.optim.lr: expected float, found 'fast'" in first and first.endswith(where)
    assert "did you mean 'momentum'?" in second and "in 4 of 6 cells" in second


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("prob/auroc_macro", "no stage 'prob'. did you mean 'probe'?"),
        ("probe/auroc_makro", "no evaluator of stage 'probe' gives 'auroc_makro'. did you mean 'auroc_macro'?"),
        ("pretrain/loss", "no stage 'pretrain'"),
    ],
)
def test_the_metric_is_one_that_every_cell_gives(tmp_path, metric, told):
    file = small_table.write(tmp_path, ("probe/auroc_macro", metric))
    with pytest.raises(ConfigError) as caught:
        small_table.plan(file)
    assert any("table.yaml:15 table.metric" in problem and told in problem for problem in caught.value.problems)


def test_a_cell_without_a_metric_s_stage_leaves_its_place_empty(tmp_path):
    """Tasks of one table are stages, and a choice may take one away; a stage that nobody has is still a typo."""
    several = ("metric: probe/auroc_macro", "metric: {AUROC: probe/auroc_macro, F1: again/f1_macro}")
    paper = ("values: {moco: {all: 51}, random: {all: 99.9}}", "values: {moco: {all: {AUROC: 51}}}")
    again = small_table.BASE[small_table.BASE.index("  probe:") :].replace("  probe:", "  again:")
    random = ("random: {pretrain: null,", "random: {pretrain: null, again: null,")
    file = small_table.write(tmp_path, several, paper, random, base=small_table.BASE + again)
    plan = small_table.plan(file)
    _, second = plan.matrix.layout.metrics
    shown = {cell.choices["method"]: plan.shown(cell, second) for cell in plan.matrix.cells}
    assert shown["random"] is None and shown["moco"] is not None and shown["moco"].stage == "again"
    cells = read_cells(plan, {})
    assert len(cells) == 2 + 2 * 4 and {each.cell.choices["method"] for each in cells if each.metric == second} == {
        "moco"
    }
    with pytest.raises(ConfigError, match=r"table\.metric\.F1: no stage 'agian'\. did you mean 'again'"):
        small_table.plan(
            small_table.write(
                tmp_path,
                (several[0], several[1].replace("again", "agian")),
                paper,
                random,
                base=small_table.BASE + again,
            )
        )


def test_a_table_s_stages_run_on_one_device_each(tmp_path):
    with pytest.raises(ConfigError, match="a table runs each stage on one device"):
        small_table.plan(small_table.write(tmp_path), "devices=2")


def test_smoke_makes_every_cell_tiny_and_says_so(tmp_path):
    file = small_table.write(tmp_path)
    plan = small_table.plan(file, "budget.steps=1000", smoke=True)
    assert plan.smoke and plan.folder == tmp_path / "runs/smoke/small/tables"
    assert {run.plan.stage.budget.steps for run in plan.stages.values()} == {4}
    assert [str(cell) for cell in plan.matrix.cells] == [
        "method=random, labels=all, seed=0",
        "method=random, labels=all, seed=1",
        "method=moco, labels=1 %, seed=0",
    ]  # every choice once
    assert not small_table.plan(file).smoke

"""`medvl explain`: what it writes, where, and what it says when it cannot."""

import pytest
from click.testing import CliRunner

from medvl.cli.main import app
from medvl.errors import DataError


def explain(*arguments: object):
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def test_the_newest_stage_of_a_run_beside_its_figures(run, tmp_path):
    done = explain(run.run, "--cases", 1, "--word", "heart", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert f"1 cases of split test, stage look: {tmp_path / 'index.html'}" in done.stdout
    assert "hold radiographs and report text" in done.stdout
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    (said,) = [line for line in page.splitlines() if "<article" in line]
    chosen = said.split('checked="checked"')[1].split("</label>")[0]
    assert "heart" in chosen.lower()
    report = said.split("<p>")[1].split("</p>")[0]
    assert "heart" in report.lower() and report not in done.output  # nothing of it is printed


def test_one_case_by_its_hash(run, tmp_path):
    first = explain(run.stage, "--cases", 2, "--out", tmp_path / "a")
    assert first.exit_code == 0, first.output
    keys = sorted(path.stem.partition("-")[2] for path in (tmp_path / "a").glob("attention-*.png"))
    done = explain(run.stage, "--stage", "look", "--case", keys[1], "--rollout", "--out", tmp_path / "b")
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "b").glob("*.png")] == [f"attention-{keys[1]}.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "loook"], "unknown stage 'loook'. did you mean 'look'"),
        (["--case", "0123456789abcdef"], "split 'test' has no case '0123456789abcdef'"),
        (["--word", "giraffe"], "'giraffe' is a word of none of the"),
        (["--head", "9"], "--head 9: the joint transformer has 2"),
    ],
)
def test_what_is_not_there_is_told_and_nothing_written(run, tmp_path, arguments, message):
    done = explain(run.run, *arguments, "--out", tmp_path / "new")
    assert done.exit_code == 1 and message in str(done.exception)
    assert not (tmp_path / "new").exists()


def test_no_run_there(tmp_path):
    done = explain(tmp_path / "none")
    assert isinstance(done.exception, DataError) and "holds no finished stage (no such folder)" in str(done.exception)

"""Lints of an experiment: in `medvl check` before data is read, and in the manifest once it is."""

import json

import pytest
from click.testing import CliRunner

from medvl.cli.main import app
from medvl.engine.check import check_experiment
from tests import small
from tests.config.experiments import read

READS_FINDINGS = small.PLAIN_STAGE | {
    "data": small.PHANTOM | {"text": "findings"},
    "budget": {"steps": 1, "batch_size": 8},
}


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    return small.write(tmp_path, small.experiment(only=READS_FINDINGS))


def test_check_tells_them_and_is_silent_about_what_is_accepted(path):
    def told(*overrides):
        return CliRunner().invoke(app, ["check", str(path), *overrides]).output

    assert "  warning: flip_with_text: view image mirrors the radiograph" in told()
    assert "  warning: label_in_text: the labels were mined from findings and impression" in told()
    assert "warning" not in told("data.accept=[flip_with_text, label_in_text]")
    assert "flip_with_text" not in told("views.image.flip=0")
    assert "warning" not in told("data.text=indication")


def test_only_views_that_are_read_count(path):
    (plan,) = check_experiment(read(path, "only.views.other={name: cxr_moco, size: 32}")).values()
    assert plan.mirroring == ("image",)


def test_a_run_tells_them_before_it_trains_and_keeps_them(path, capsys):
    (outcome,) = small.run(path).values()
    notes = json.loads((outcome.folder / "manifest.json").read_text())["notes"]
    assert any("of the texts (findings) say left or right" in note for note in notes)
    assert any("the labels were mined from findings and impression" in note for note in notes)
    printed = capsys.readouterr().out
    assert printed.count("note: only: label_in_text: the labels were mined") == 1

    accepted = "data.accept=[flip_with_text, label_in_text, undefined_metric]"
    (again,) = small.run(path, accepted).values()
    assert again.reused and again.folder == outcome.folder  # what is accepted changes no weights

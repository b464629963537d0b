"""What `medvl run` prints at the end: the table, and where everything lies."""

import re

import pytest
from click.testing import CliRunner

from medvl.cli.main import app
from medvl.datasets.phantom.dataset import Phantom
from tests import small


@pytest.fixture
def printed(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    stage = small.PLAIN_STAGE | {"budget": {"steps": 2, "batch_size": 8}}
    path = small.write(tmp_path, small.experiment(only=stage))
    done = CliRunner().invoke(app, ["run", str(path)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_table_and_places(printed):
    number, interval = r"\d\.\d{3}", r"\(\d\.\d\d-\d\.\d\d\)"
    for name in ("macro", "micro"):
        assert re.search(rf"^ {name} +{number} {interval} +{number} {interval} +\d+", printed, re.MULTILINE)
    assert "only: multilabel on test" in printed and "AUROC" in printed and "F1" in printed
    for label in Phantom.labels:
        assert re.search(rf"^ {label} +({number} {interval}|–) +({number} {interval}|–) +\d+", printed, re.MULTILINE)
    places = printed[printed.index("where everything lies:") :]
    assert re.search(r"  only: runs/small/only-[0-9a-f]{12}\n", places)
    for part in ("config.yaml", "manifest.json", "metrics.csv", "last.ckpt", "exports", "predictions", "figures"):
        assert part in places


def test_a_mistake_of_the_users_has_no_traceback(tmp_path, capsys):
    from medvl.cli.main import main

    path = small.write(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["run", str(path), "finetune.optim.lrr=1"])
    told = capsys.readouterr().err
    assert end.value.code == 1 and told.startswith("error: ") and "Traceback" not in told

"""Predicting with a finished run gives what the run itself predicted."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from medvl.cli.main import app
from medvl.datasets.phantom.dataset import Phantom
from medvl.engine.load import Predictor
from medvl.errors import DataError
from medvl.runs.predictions import read_predictions
from tests import small
from tests.data import dicom_files


@pytest.fixture
def cases(finished, tmp_path):
    """Three test cases of the finished run as PNG files, with their texts and what the run predicted for them."""
    phantom = Phantom(patients=small.PATIENTS, resolution=64)
    table = phantom.table()
    predictions = read_predictions(finished.finetune / "predictions/test.parquet")
    found = []
    for place, row in enumerate(predictions.cases.rows[:3].tolist()):
        path = tmp_path / f"{place}.png"
        Image.fromarray(phantom.read_image(table["image"][row].as_py())).save(path)
        logits = predictions.cases.outputs["logits"][place]
        found.append((path, table["text.indication"][row].as_py() or "", 1 / (1 + np.exp(-logits))))
    return found


def test_equals_the_runs_own_predictions(finished, cases):
    predictor = Predictor.load(finished.finetune)
    assert predictor.reads_text and predictor.labels == Phantom.labels
    for path, text, expected in cases:
        assert np.abs(predictor.probabilities([path], text)[0] - expected).max() < 1e-5


def test_command_on_png_with_text_as_json(finished, cases):
    path, text, expected = cases[0]
    done = CliRunner().invoke(app, ["predict", str(finished.finetune.parent), str(path), "--text", text, "--json"])
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    assert found["image"] == str(path)
    assert list(found["probabilities"]) == list(Phantom.labels)
    assert np.abs(np.array(list(found["probabilities"].values())) - expected).max() < 1e-5


def test_command_on_dicom_without_text_as_a_table(finished, tmp_path):
    random = np.random.default_rng(0)
    radiographs = [dicom_files.radiograph(random.integers(0, 4000, (50, 40), np.uint16), 12) for _ in range(2)]
    files = [dicom_files.write(tmp_path / f"{number}.dcm", each) for number, each in enumerate(radiographs)]
    done = CliRunner().invoke(app, ["predict", str(finished.finetune), *map(str, files)])
    assert done.exit_code == 0, done.output
    assert "this model reads text too, and --text is empty" in done.stderr
    assert "0.dcm" in done.stdout and "1.dcm" in done.stdout and "Support Devices" in done.stdout


def test_text_for_a_model_that_reads_none(finished, tmp_path, cases):
    folder = small.run(finished.file, "finetune.fusion=image_only", "name=other")["finetune"].folder
    done = CliRunner().invoke(app, ["predict", str(folder), str(cases[0][0]), "--text", "cough", "--json"])
    assert done.exit_code == 0 and "--text is left out" in done.stderr


def test_a_run_with_a_one_file_plugin_is_found_again(tmp_path, cases):
    """The kept configuration names the plugin's file, wherever the command line found it."""
    from medvl.cli.main import main
    from tests.test_matrix import GRU

    stage = small.PLAIN_STAGE | {"stop": None, "budget": {"steps": 1, "batch_size": 8}}
    stage["model"] = stage["model"] | {"text": {"name": "small_gru"}, "fusion": {"name": "concat"}}
    path = small.write(tmp_path, small.experiment(only=stage))
    with pytest.raises(SystemExit) as end:
        main(["run", str(path), "--plugin", str(GRU)])
    assert end.value.code == 0
    (folder,) = tmp_path.glob("runs/small/only-*")
    assert Predictor.load(folder).probabilities([cases[0][0]], "cough").shape == (1, len(Phantom.labels))


def test_a_stage_that_predicts_nothing(finished):
    with pytest.raises(DataError, match="predicts no findings"):
        Predictor.load(finished.pretrain)


def test_no_run_there(tmp_path):
    with pytest.raises(DataError, match=r"holds no finished stage that predicts.*give runs/NAME or"):
        Predictor.load(tmp_path / "none")


def test_an_image_that_cannot_be_read(finished, tmp_path):
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"x\.png"):
        Predictor.load(finished.finetune).probabilities([tmp_path / "x.png"], "")

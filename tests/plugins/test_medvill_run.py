"""The experiment file, and that what is drawn in a step is drawn again after an interruption."""

from pathlib import Path

import pytest
import yaml

from medvl.engine.interrupt import Interrupted
from tests import small
from tests.engine.test_resume import interrupt_at

FILE = Path(__file__).parents[2] / "experiments" / "medvill_phantom.yaml"
MIXED = {
    "name": "mixed",
    "schemes": {"causal": "seq2seq", "full": "bidirectional"},
    "probabilities": {"causal": 0.75, "full": 0.25},
}


def tiny():
    """The experiment with less of everything, and a mask that is drawn."""
    values = yaml.safe_load(FILE.read_text())
    stage = values["stages"]["pretrain"]
    stage["data"] |= {"patients": small.PATIENTS, "resolution": 64}
    stage["views"]["image"]["size"] = 64
    stage["model"] = {
        "image": {"name": "timm", "model": "test_resnet"},
        "text": {"name": "bert", "weights": "none", "layers": 1, "width": 32, "dropout": 0.1},
        "fusion": {"name": "medvill", "sampled": 3, "mask": MIXED},
    }
    stage["optim"] = {"name": "adamw", "lr": 0.001}
    stage["budget"] = {"steps": 6, "batch_size": 8, "validate_every": 2}
    stage["stop"] = {"metric": "val/loss"}
    return values | {"device": "cpu"}


def test_an_interrupted_run_draws_what_it_would_have_drawn(tmp_path, monkeypatch):
    from medvl.engine.trainable import Trainable

    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    folders = []
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
        folders.append(small.write(tmp_path / name, tiny()))
    whole = small.run(folders[0])["pretrain"]
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_at(patch, Trainable, "forward", 4)  # a step behind the first validation
        small.run(folders[1])
    assert small.differences(whole.folder, small.run(folders[1])["pretrain"].folder) == []
    exports = {path.stem for path in (whole.folder / "exports").glob("*.safetensors")}
    assert exports == {"image", "text", "fusion", "objective", "mlm.vocabulary_head", "matching.matching_head"}


def test_the_experiment_is_whole():
    from medvl.cli.options import load_experiment
    from medvl.engine.check import check_experiment

    experiment, _ = load_experiment(FILE, (), ())
    plan = check_experiment(experiment)["pretrain"]
    assert plan.findings == []
    assert plan.views == ("image",) and plan.reads_text and plan.reads_labels

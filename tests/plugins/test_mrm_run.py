"""The experiment file, every ablation of the paper, and that what is drawn is drawn again after an interruption."""

from pathlib import Path

import pytest
import yaml

from medvl.engine.interrupt import Interrupted
from tests import small
from tests.engine.test_resume import interrupt_at

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
FILE = EXPERIMENTS / "mrm_phantom.yaml"
ABLATIONS = [
    "report_weight=0",
    "image_weight=0",
    "image_weight=2.0",
    "image_ratio=0.5",
    "text_ratio=0.25",
    "super_resolution=false",
    "pool=max",
    "fuse_image=true",
    "preset=released",
]


def tiny():
    """The experiment with less of everything."""
    values = yaml.safe_load(FILE.read_text())
    pretrain, finetune = values["stages"]["pretrain"], values["stages"]["finetune"]
    encoder = {"name": "timm", "model": "test_vit"}
    for stage in (pretrain, finetune):
        stage["data"] |= {"patients": small.PATIENTS, "resolution": 64}
        stage["views"]["image"]["size"] = 32
    finetune["data"]["fraction"] = 1.0
    pretrain["model"] = {
        "image": encoder | {"positions": "sincos"},
        "text": {"name": "bert", "weights": "none", "layers": 1, "width": 32, "dropout": 0.1},
    }
    finetune["model"] = {"image": encoder | {"pool": "mean", "init": "pretrain.image"}}
    pretrain["objective"] = {"name": "mrm", "decoder_depth": 1, "decoder_width": 24}
    pretrain["optim"] = finetune["optim"] = {"name": "adamw", "lr": 0.001}
    pretrain["budget"] = {"steps": 6, "batch_size": 8, "validate_every": 2}
    finetune["budget"] = {"steps": 2, "batch_size": 8}
    pretrain["stop"] = {"metric": "val/loss"}
    finetune["evaluate"] = [{"name": "multilabel", "split": "test", "replicates": 20}]
    return values | {"device": "cpu"}


def test_an_interrupted_run_draws_what_it_would_have_drawn(tmp_path, monkeypatch):
    from medvl.engine.trainable import Trainable

    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    files = []
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
        files.append(small.write(tmp_path / name, tiny()))
    whole = small.run(files[0])
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_at(patch, Trainable, "forward", 4)  # a step behind the first validation
        small.run(files[1])
    again = small.run(files[1])
    assert small.differences(whole["pretrain"].folder, again["pretrain"].folder) == []
    assert small.differences(whole["finetune"].folder, again["finetune"].folder) == []
    exports = {path.stem for path in (whole["pretrain"].folder / "exports").glob("*.safetensors")}
    assert exports == {"image", "text", "objective", "image_decoder", "report_projection", "vocabulary_head"}


@pytest.mark.parametrize("file", [FILE, EXPERIMENTS / "papers" / "mrm.yaml"], ids=lambda file: file.stem)
@pytest.mark.parametrize("ablation", ABLATIONS)
def test_every_ablation_is_a_value(file, ablation, monkeypatch):
    from medvl.cli.options import load_experiment
    from medvl.engine.check import check_stage

    experiment, _ = load_experiment(file, (f"pretrain.objective.{ablation}",), ())
    plan = check_stage(experiment.stages["pretrain"], {})
    assert plan.findings == [] and plan.views == ("image",)
    assert plan.reads_text == (ablation != "report_weight=0")


def test_ablations_run(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    for ablation in ("report_weight=0", "image_weight=0", "preset=released"):
        (tmp_path / ablation).mkdir()
        path = small.write(tmp_path / ablation, tiny())
        outcome = small.run(
            path, f"pretrain.objective.{ablation}", "pretrain.budget.steps=2", "finetune.budget.steps=1"
        )
        assert outcome["finetune"].folder.is_dir()

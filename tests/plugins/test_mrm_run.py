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
    """And pictures along the way, which only the interrupted one makes, change nothing."""
    from medvl.engine.trainable import Trainable

    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    files = []
    for name, figure_epochs in (("whole", None), ("stopped", 0.4)):
        (tmp_path / name).mkdir()
        values = tiny()
        values["stages"]["pretrain"]["budget"]["figure_epochs"] = figure_epochs
        files.append(small.write(tmp_path / name, values))
    whole = small.run(files[0])
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        interrupt_at(patch, Trainable, "forward", 4)  # a step behind the first validation
        small.run(files[1])
    again = small.run(files[1])
    assert small.differences(whole["pretrain"].folder, again["pretrain"].folder) == []
    assert small.differences(whole["finetune"].folder, again["finetune"].folder) == []
    exports = {path.stem for path in (whole["pretrain"].folder / "exports").glob("*.safetensors")}
    assert exports == {"image", "text", "objective", "image_decoder", "report_projection", "vocabulary_head"}
    drawn = [{path.name for path in (run["pretrain"].folder / "figures").glob("rec*")} for run in (whole, again)]
    assert drawn[0] == {"reconstruction.png"} and drawn[1] > drawn[0]


@pytest.mark.parametrize("file", [FILE, EXPERIMENTS / "papers" / "mrm.yaml"], ids=lambda file: file.stem)
@pytest.mark.parametrize("ablation", ABLATIONS)
def test_every_ablation_is_a_value(file, ablation, monkeypatch):
    from medvl.cli.options import load_experiment
    from medvl.engine.check import check_stage

    experiment, _ = load_experiment(file, (f"pretrain.objective.{ablation}",), ())
    plan = check_stage(experiment.stages["pretrain"], {})
    assert plan.findings == [] and plan.views == ("image",)
    assert plan.reads_text == (ablation != "report_weight=0")


@pytest.mark.parametrize("ablation", ["preset=released", "image_weight=0"])
def test_explain_shows_it(tmp_path, monkeypatch, ablation):
    from medvl.engine.load import TrainedStage
    from medvl.explain.page import write_page
    from medvl.explain.subject import Asked, Subject

    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    settings = (f"pretrain.objective.{ablation}", "pretrain.budget.steps=2", "finetune.budget.steps=1")
    stages = small.run(small.write(tmp_path, tiny()), *settings)
    left_out = write_page(Subject(TrainedStage.load(stages["pretrain"].folder), Asked(count=2)), tmp_path / "page")
    assert "Hidden and restored" not in left_out
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count("<figcaption>truth") == (0 if ablation == "image_weight=0" else 2)
    assert page.count('title="hidden: ') + page.count('title="restored"') > 4
    assert len(list((tmp_path / "page").glob("restored-*.png"))) == 2
    left_out = write_page(Subject(TrainedStage.load(stages["finetune"].folder), Asked(count=1)), tmp_path / "other")
    assert left_out["Hidden and restored"] == "its objective restores nothing that it hides"


def test_images_alone_need_no_texts(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    values = tiny()
    pretrain = values["stages"]["pretrain"]
    del values["stages"]["finetune"], pretrain["data"]["text"], pretrain["model"]["text"], pretrain["data"]["accept"]
    path = small.write(tmp_path, values)
    done = small.run(path, "pretrain.objective.report_weight=0", "pretrain.budget.steps=2")["pretrain"]
    assert (done.folder / "figures" / "reconstruction.png").is_file()

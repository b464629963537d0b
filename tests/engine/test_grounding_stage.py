"""A stage whose maps are judged by boxes: what it leaves, what its maps are of, and what is refused before training."""

import json

import pyarrow.parquet as pq
import pytest

from medvl.engine.load import TrainedStage
from medvl.errors import ConfigError
from medvl.runs.draws import read_draws
from tests import small

GROUNDING = {"name": "grounding", "replicates": 20, "split": "test"}
STAGE = small.FINETUNE | {
    "model": {
        "image": {"name": "timm", "model": "test_resnet"},
        "text": {"name": "bert", "weights": "none", "layers": 1, "width": 32},
        "fusion": {"name": "mmbt"},
    },
    "budget": {"steps": 2, "batch_size": 8},
    "stop": {"metric": "val/loss"},
    "evaluate": [{"name": "multilabel", "replicates": 20}, GROUNDING],
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory, cache):
    """The folder of the stage; not to be changed."""
    from tests.engine.conftest import small_machine

    with small_machine(cache):
        return small.run(small.write(tmp_path_factory.mktemp("judged"), small.experiment(look=STAGE)))["look"].folder


def test_a_stage_leaves_the_table_the_list_the_draws_and_the_picture(judged):
    results = json.loads((judged / "results.json").read_text())
    assert "grounding" in json.dumps(results)
    listed = pq.read_table(judged / "located-test.parquet")
    assert listed.num_rows > 5 and listed.column_names == ["row", "finding", "iou", "pointing"]
    draws = {name for kept in read_draws(judged) for name in kept.values}
    assert {"iou_macro", "pointing_macro", "auroc_macro"} <= draws
    assert (judged / "figures" / "grounding-test.png").is_file()
    assert "IoU" in (judged / "results-grounding-test.md").read_text()


def test_findings_are_those_of_the_phantoms_boxes(judged):
    listed = pq.read_table(judged / "located-test.parquet").to_pylist()
    trained = TrainedStage.load(judged)
    table = trained.data()[0].build().table()
    for line in listed:
        labels = {box["label"] for box in table.column("boxes")[line["row"]].as_py()}
        assert line["finding"] in labels and line["finding"] in trained.labels


def test_an_encoder_that_shows_no_cells_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("medvl.models.timm_encoder.TimmEncoder.cells", lambda self: None)
    with pytest.raises(ConfigError, match=r"evaluate.*'grounding' judges where the image encoder looks"):
        small.run(small.write(tmp_path, small.experiment(look=STAGE)))


def test_a_view_that_does_not_say_what_it_shows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("medvl.data.recipe.Recipe.window", None)
    with pytest.raises(ConfigError, match="does not say which part of the radiograph it shows"):
        small.run(small.write(tmp_path, small.experiment(look=STAGE)))


def test_without_the_package_the_extra_is_named_before_training(tmp_path, monkeypatch):
    from medvl.errors import PackageMissing

    monkeypatch.setattr("medvl.engine.check_evaluators.PACKAGE", "captum_is_absent")
    with pytest.raises(PackageMissing, match="captum_is_absent"):
        small.run(small.write(tmp_path, small.experiment(look=STAGE)))


def test_an_objective_without_findings_has_no_maps(tmp_path):
    stage = small.PRETRAIN | {"evaluate": [GROUNDING]}
    with pytest.raises(ConfigError, match="'grounding' wants saliency"):
        small.run(small.write(tmp_path, small.experiment(pretrain=stage)))

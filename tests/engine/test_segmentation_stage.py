"""A stage that segments: from the data's masks to tables, counts and pictures; and what `medvl check` refuses."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from medvl.cli.options import load_experiment
from medvl.contract import THRESHOLDS
from medvl.engine.check import check_experiment
from medvl.errors import ConfigError
from medvl.runs.predictions import read_predictions
from tests import small

STAGE = {
    "data": {
        "name": "phantom", "patients": 40, "resolution": 32, "labels": "none",
        "mask": ["Cardiomegaly", "Pleural Effusion"], "only": {"view": ["PA", "AP"]},
    },
    "views": {"image": {"name": "cxr_finetune", "size": 32, "crop": 1.0}},
    "model": {"image": {"name": "timm", "model": "test_vit"}},
    "objective": {"name": "segmentation", "decoder": {"name": "fpn", "width": 8}},
    "optim": {"name": "adamw", "lr": 0.001, "layer_decay": 0.5, "schedule": {"name": "poly", "warmup_steps": 1}},
    "budget": {"steps": 4, "batch_size": 8, "validate_every": 2},
    "stop": {"metric": "val/dice_macro"},
    "evaluate": [{"name": "segmentation", "split": "test", "replicates": 20, "select": "dice"}],
}  # fmt: skip


def experiment(**changes):
    return small.experiment(segment=copy.deepcopy(STAGE) | changes)


@pytest.fixture(scope="module")
def stage(tmp_path_factory, cache):
    from tests.engine.conftest import small_machine

    with small_machine(cache):
        return small.run(small.write(tmp_path_factory.mktemp("segment"), experiment()))["segment"]


def test_it_leaves_overlap_with_intervals(stage):
    (found,) = json.loads((stage.folder / "results.json").read_text())
    metrics = found["metrics"]
    assert {"med_dice_macro", "dice/Pleural Effusion", "iou/Cardiomegaly"} <= set(metrics)
    assert (
        found["intervals"]["med_dice_macro"][0] <= metrics["med_dice_macro"] <= found["intervals"]["med_dice_macro"][1]
    )
    assert any("chosen on the validation cases" in note for note in found["notes"])


def test_counts_of_pixels_are_the_predictions(stage):
    cases = read_predictions(stage.folder / "predictions" / "test.parquet").cases
    assert cases.outputs["reference"].shape == (len(cases.rows), 2)
    assert cases.outputs["intersection"].shape == (len(cases.rows), 2 * len(THRESHOLDS))
    assert (cases.outputs["intersection"] <= cases.outputs["predicted"]).all()
    assert (cases.outputs["reference"] > 0).any(0).all()
    assert (stage.folder / "predictions" / "val.parquet").is_file()  # on which thresholds were chosen


def test_outlines_are_drawn(stage):
    with Image.open(stage.folder / "figures" / "overlays-test.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape[1] > pixels.shape[0] > 400
    blue = (abs(pixels - np.array([0x58, 0xD3, 0xFF])).sum(2) < 30).sum()
    assert blue > 200, "the outline of a reference is missing"


def test_the_encoder_learns_block_by_block(stage):
    groups = small.checkpoint(stage.folder)["optimizer"]["param_groups"]
    rates = sorted({round(group["initial_lr"] / 0.001, 9) for group in groups}, reverse=True)
    assert rates == [0.5**depth for depth in range(len(rates))] and len(rates) == 8  # the head, six blocks, the stem


def refused(tmp_path, **changes):
    loaded, _ = load_experiment(small.write(tmp_path, experiment(**changes)), (), ())
    with pytest.raises(ConfigError) as caught:
        check_experiment(loaded)
    return str(caught.value)


def test_data_without_masks_is_refused(tmp_path):
    root = tmp_path / "none"
    root.mkdir()
    assert "needs masks" in refused(tmp_path, data={"name": "shenzhen", "root": str(root), "labels": "none"})


def test_a_view_that_leaves_masks_behind_is_refused(tmp_path):
    message = refused(tmp_path, views={"image": {"name": "cxr_mrm", "size": 32}})
    assert "view 'cxr_mrm' does not carry them along. do: choose another view" in message


def test_an_unknown_mask_is_refused(tmp_path):
    assert "did you mean 'Pneumothorax'" in refused(tmp_path, data=STAGE["data"] | {"mask": "Pneumotorax"})


@pytest.mark.parametrize("decoder", ["linear", "upernet", "fcn"])
@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
def test_any_encoder_fits_any_decoder(tmp_path, model, decoder):
    objective = {"name": "segmentation", "decoder": decoder, "background": True}
    changed = experiment(model={"image": {"name": "timm", "model": model}}, objective=objective)
    loaded, _ = load_experiment(small.write(tmp_path, changed), (), ())
    plan = check_experiment(loaded)["segment"]
    assert plan.reads_masks and not plan.reads_labels and set(plan.exports) == {"image", "head"}

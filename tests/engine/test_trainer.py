"""The loop: accumulation, clipping, early stopping, validation, optimisers and schedules."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from medvl.plugins import Plugins
from medvl.runs.manifest import Manifest
from medvl.runs.metrics_log import read_metrics
from tests import small

SGD = {"name": "sgd", "lr": 1.0, "momentum": 0.0}
NAMES = {kind: Plugins().registry.names(kind) for kind in ("optimizer", "schedule")}
SETTINGS = {"milestones": {"at": [1]}}  # what a schedule cannot do without


def one_stage(tmp_path, **changed):
    stage = small.PLAIN_STAGE | {"stop": None, "evaluate": [], "optim": SGD} | changed
    return small.write(tmp_path, small.experiment(only=stage))


def weights(folder):
    return {name: value for name, value in small.checkpoint(folder)["trainable"].items() if value.is_floating_point()}


def largest_difference(one, other):
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_micro_batches_give_the_gradient_of_the_whole(tmp_path):
    path = one_stage(tmp_path, budget={"steps": 1, "batch_size": 8})
    whole, parts, more, still = (
        weights(small.run(path, f"only.budget.accumulate={n}", f"only.optim.lr={lr}")["only"].folder)
        for n, lr in ((1, 1), (4, 1), (8, 1), (1, 0))
    )
    assert largest_difference(whole, still) > 0.01
    assert largest_difference(whole, parts) < 1e-5 and largest_difference(whole, more) < 1e-5


def test_clipping(tmp_path):
    path = one_stage(tmp_path, budget={"steps": 1, "batch_size": 8})
    runs = {norm: small.run(path, f"only.budget.clip_norm={norm}")["only"].folder for norm in ("null", 0.01, 1000)}
    free, clipped, loose = (weights(folder) for folder in runs.values())
    still = weights(small.run(path, "only.optim.lr=0")["only"].folder)
    norm = sum(float(((clipped[name] - still[name]) ** 2).sum()) for name in still) ** 0.5
    assert norm == pytest.approx(0.01, rel=1e-3)
    assert small.same(free, loose)


def test_stops_when_nothing_gets_better(tmp_path):
    """A rate of 0: the first validation is the best, and patience runs out so many steps after it."""
    stop = {"metric": "val/loss", "patience_steps": 4}
    path = one_stage(tmp_path, stop=stop, budget={"steps": 50, "batch_size": 4, "validate_every": 2})
    folder = small.run(path, "only.optim.lr=0")["only"].folder
    progress = small.checkpoint(folder)["progress"]
    assert progress["step"] == 6 and progress["best_step"] == 2 and progress["finished"]
    assert (
        "stopped at step 6 of 50: val/loss was best at step 2, and patience is 4 steps" in Manifest.read(folder).notes
    )
    assert [r.step for r in read_metrics(folder / "metrics.csv") if r.metric == "val/loss"] == [2, 4, 6]


def test_stops_on_any_metric_of_an_evaluator(tmp_path):
    path = one_stage(
        tmp_path, stop={"metric": "val/auroc_micro"}, budget={"steps": 4, "batch_size": 4, "validate_every": 1},
        evaluate=[{"name": "multilabel", "replicates": 0}],
    )  # fmt: skip
    folder = small.run(path)["only"].folder
    values = {r.step: r.value for r in read_metrics(folder / "metrics.csv") if r.metric == "val/auroc_micro"}
    progress = small.checkpoint(folder)["progress"]
    assert progress["best_step"] == max(values, key=values.get) and progress["best_value"] == max(values.values())


def test_validates_once_an_epoch(tmp_path):
    path = one_stage(tmp_path, stop={"metric": "val/loss"}, budget={"epochs": 2, "batch_size": 8})
    folder = small.run(path)["only"].folder
    records = [r for r in read_metrics(folder / "metrics.csv") if r.metric == "val/loss"]
    assert [r.epoch for r in records] == [1.0, 2.0]


@pytest.mark.parametrize("schedule", NAMES["schedule"])
@pytest.mark.parametrize("optimizer", NAMES["optimizer"])
def test_optimizers_and_schedules(tmp_path, optimizer, schedule):
    stage = {
        "data": small.PHANTOM,
        "views": {"image": {"name": "plain", "size": 32}},
        "model": {"image": {"name": "timm", "model": "test_vit"}},
        "optim": {"name": optimizer, "lr": 0.01, "schedule": {"name": schedule, **SETTINGS.get(schedule, {})}},
    }
    path = one_stage(tmp_path, budget={"steps": 2, "batch_size": 4}, **stage)
    folder = small.run(path)["only"].folder
    assert all(value.isfinite().all() for value in load_file(folder / "exports/image.safetensors").values())
    assert small.checkpoint(folder)["progress"]["finished"]


def test_all_randomness_is_saved(tmp_path):
    """Dropout draws from torch's generator: its state is a part of every checkpoint."""
    path = one_stage(tmp_path, budget={"steps": 1, "batch_size": 4}, objective={"name": "multilabel", "dropout": 0.5})
    (states,) = small.checkpoint(small.run(path)["only"].folder)["random"]
    assert set(states) == {"torch", "python", "numpy"}
    assert states["torch"].dtype == torch.uint8


def test_a_metric_that_is_never_defined_selects_nothing_stops_nothing_and_is_told(tmp_path):
    """None of the few validation cases has pneumonia."""
    stop = {"metric": "val/auroc/Pneumonia", "patience_steps": 1}
    path = one_stage(
        tmp_path, stop=stop, budget={"steps": 4, "batch_size": 4, "validate_every": 1},
        evaluate=[{"name": "multilabel", "replicates": 0}],
        data=small.PHANTOM | {"text": "indication", "patients": 12},
    )  # fmt: skip
    folder = small.run(path)["only"].folder
    values = [r.value for r in read_metrics(folder / "metrics.csv") if r.metric == "val/auroc/Pneumonia"]
    assert np.isnan(values).all() and small.checkpoint(folder)["progress"]["step"] == 4
    assert any("val/auroc/Pneumonia was undefined at every validation" in n for n in Manifest.read(folder).notes)

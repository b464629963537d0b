"""Features of a frozen encoder: each case encoded once for all stages that look the same way, with equal results."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from medvl.engine import feature_plan
from medvl.engine.check import check_experiment
from medvl.engine.interrupt import Interrupted, InterruptGuard
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.weights import save_weights
from tests import small
from tests.config.experiments import read

ENCODER = {"name": "timm", "model": "test_resnet", "weights": "none", "frozen": True}
PROBE = small.FINETUNE | {
    "views": {"image": {"name": "plain", "size": 32}},
    "model": {"image": ENCODER},
    "budget": {"steps": 4, "batch_size": 8, "validate_every": 2},
}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))  # features of other tests are not to be found
    torch.manual_seed(0)
    save_weights(TimmEncoder(32, model="test_resnet", weights="none"), tmp_path / "encoder.safetensors")
    init = {"image": ENCODER | {"init": str(tmp_path / "encoder.safetensors")}}
    return small.write(tmp_path, small.experiment(probe=PROBE | {"model": init}))


@pytest.fixture
def encoded(monkeypatch):
    """Number of radiographs that reached the encoder with pixels, call by call."""
    calls, forward = [], TimmEncoder.forward

    def counting(self, images, needs=("pooled",)):
        if not images.is_meta:
            calls.append(len(images))
        return forward(self, images, needs)

    monkeypatch.setattr(TimmEncoder, "forward", counting)
    return calls


def predictions(outcome):
    table = pq.read_table(outcome.folder / "predictions/test.parquet")
    return np.stack([table[name].to_numpy() for name in table.column_names if name.startswith("logit.")])


def cases(outcome):
    splits = json.loads((outcome.folder / "manifest.json").read_text())["splits"]
    return splits["learning"] + splits["val"] + splits["test"]


def test_each_case_is_encoded_once_over_fractions_and_seeds(file, encoded):
    half = small.run(file, "probe.data.fraction=0.5")["probe"]
    assert sum(encoded) == cases(half)
    whole = small.run(file, "probe.seed=1", "probe.optim.lr=0.01")["probe"]
    assert sum(encoded) == cases(whole) > cases(half)
    small.run(file, "probe.data.fraction=0.3", "probe.seed=2", "probe.budget.batch_size=4")
    assert sum(encoded) == cases(whole)


def test_equal_to_encoding_every_batch(file, encoded, monkeypatch):
    kept = small.run(file, "probe.optim.lr=0.01")["probe"]
    few = sum(encoded)
    monkeypatch.setattr(feature_plan, "_why_not", lambda *_: "for this test")
    again = small.run(file, "probe.optim.lr=0.01", f"runs={file.parent / 'others'}")["probe"]
    assert again.folder != kept.folder and sum(encoded) > 2 * few
    assert np.abs(predictions(kept) - predictions(again)).max() < 1e-5
    heads = [small.checkpoint(each.folder)["trainable"]["objective.head.1.weight"] for each in (kept, again)]
    assert (heads[0] - heads[1]).abs().max() < 1e-5


@pytest.mark.parametrize("change", ["probe.views.image.mean=0.4", "probe.image.init=null", "probe.data.fit=pad"])
def test_another_view_encoder_or_image_has_features_of_its_own(file, encoded, change):
    first = small.run(file)["probe"]
    assert sum(encoded) == cases(first)
    small.run(file, change)
    assert sum(encoded) == 2 * cases(first)


def test_an_interrupt_keeps_what_is_encoded(file, encoded, monkeypatch):
    monkeypatch.setattr("medvl.engine.frozen_features.BATCH", 8)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(InterruptGuard, "check", lambda guard: _stop() if len(encoded) == 2 else None)
        small.run(file)
    assert encoded == [8, 8]
    whole = cases(small.run(file)["probe"])
    assert sum(encoded) == whole


def _stop():
    raise Interrupted


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((), "image.pooled: computed once and kept"),
        (
            ("probe.views.image.name=cxr_finetune", "probe.views.image.size=32"),
            r"\('cxr_finetune'\) is drawn at random",
        ),
        (
            ("probe.fusion=mmbt", "probe.text={name: bert, weights: none, layers: 1, width: 32}"),
            "image.tokens would fill",
        ),
    ],
)
def test_the_plan_says_what_it_does_and_why_not(file, overrides, words):
    plan = check_experiment(read(file, *overrides))["probe"]
    assert plan.keeps_features == (not overrides)
    assert any(re.search(words, note) for note in plan.notes), plan.notes


def test_what_is_not_frozen_is_not_spoken_of(file):
    for overrides in (["probe.image.frozen=false"], ["probe.image.frozen=weights"], ["probe.budget={steps: 0}"]):
        plan = check_experiment(read(file, *overrides))["probe"]
        assert not plan.keeps_features and not any("frozen" in note for note in plan.notes)

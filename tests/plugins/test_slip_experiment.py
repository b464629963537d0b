"""The paper's experiment, for methods that its header names; nothing is read, no weights are fetched."""

from pathlib import Path

import pytest

from medvl.cli.options import load_experiment
from medvl.engine.check import check_experiment

SLIP = Path(__file__).parents[2] / "experiments" / "papers" / "slip.yaml"
# the hub's weights and sizes are left out: a ResNet-50 and a BERT-base all the same
OFFLINE = ("pretrain.text.model=null", "pretrain.text.weights=none", "image.weights=none")
PAIR = "{{name: total, terms: {{language_image: {{name: {}}}, self_supervised: {{name: {}}}}}}}"
METHODS = {
    "convirt": ("convirt", ("image",)),
    "vicreg": ("vicreg", ("view_a", "view_b")),
    "moco": ("{name: moco, symmetric: true, head: mlp_bn, temperature: 0.07}", ("query", "key")),
    "simclr-clip": (PAIR.format("clip", "simclr"), ("image", "view_a", "view_b")),
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_another_objective_over_the_same_encoders(method):
    objective, views = METHODS[method]
    experiment, _ = load_experiment(SLIP, (*OFFLINE, f"pretrain.objective={objective}"), ())
    plans = check_experiment(experiment)
    assert plans["pretrain"].views == views
    assert plans["pretrain"].source == 256
    assert plans["pretrain"].reads_text == ("image" in views)
    assert plans["probe"].features["image.pooled"].width == 2048

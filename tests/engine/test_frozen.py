"""Frozen means frozen, and what follows from it: optimiser, checkpoints, exports; a budget of no steps; `init`."""

import copy

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from medvl.errors import ConfigError
from tests import small

ENCODER = """
import torch
from torch import nn

import medvl


class Restless(medvl.ImageEncoder):
    tokens_width = pooled_width = 6
    tokens = 1

    def __init__(self, size: int, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 6, 4, 4), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(dropout))

    def forward(self, images, needs=("pooled",)):
        return {"pooled": self.layers(images).mean((2, 3))}


@medvl.hookimpl
def medvl_register(registry):
    registry.register_encoder("restless", Restless)
"""
START = small.FINETUNE | {
    "model": {"image": {"name": "restless"}},
    "budget": {"steps": 3, "batch_size": 8},
    "optim": {"name": "adamw", "lr": 0.1, "weight_decay": 0.5},
}
NEXT = START | {"model": {"image": {"name": "restless", "init": "start.image", "frozen": True}}}
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.fixture
def run(tmp_path):
    plugin = tmp_path / "restless.py"
    plugin.write_text(ENCODER)
    stages = copy.deepcopy({"start": START, "next": NEXT})
    file = small.write(tmp_path, small.experiment(**stages))

    def run(*overrides):
        return small.run(file, *overrides, plugin_files=(str(plugin),))

    return run


def weights(outcome, name="image"):
    return load_file(outcome.folder / f"exports/{name}.safetensors")


@pytest.mark.parametrize("view", ["cxr_finetune", "plain"])  # with images in every step, and with kept features
def test_frozen_changes_no_bit_of_any_weight_or_buffer(run, view):
    stages = run(f"next.views.image.name={view}", "next.views.image.size=32")
    before, after = weights(stages["start"]), weights(stages["next"])
    assert any(name.endswith(STATISTICS) for name in before) and len(before) >= 7
    assert small.same(before, after)
    for name in ("last.ckpt", "best.ckpt"):
        kept = small.checkpoint(stages["next"].folder, name)["trainable"]
        assert small.same(before, {key: kept[f"model.image.{key}"] for key in before})
    head = small.checkpoint(stages["next"].folder)["trainable"]["objective.head.1.weight"]
    assert not torch.equal(head, weights(stages["start"], "head")["1.weight"])  # and yet something was learned
    state = small.checkpoint(stages["next"].folder)["optimizer"]["state"]
    assert len(state) == 2  # the head's weight and bias alone


def test_frozen_weights_let_batch_statistics_move_and_nothing_else(run):
    stages = run("next.image.frozen=weights")
    before, after = weights(stages["start"]), weights(stages["next"])
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and moved == {name for name in before if name.endswith(STATISTICS)}


def test_not_frozen_moves_both(run):
    stages = run("next.image.frozen=false")
    before, after = weights(stages["start"]), weights(stages["next"])
    assert not any(torch.equal(before[name], after[name]) for name in before)


def test_nothing_to_train(tmp_path):
    objective = tmp_path / "mean.py"
    objective.write_text(
        "import medvl\n\n\nclass Mean(medvl.Objective):\n    needs = ('image.pooled',)\n\n"
        "    def forward(self, model, batch):\n        return {'a': model(batch, self.needs)[self.needs[0]].mean()}\n"
        "\n\n@medvl.hookimpl\ndef medvl_register(registry):\n    registry.register_objective('mean', Mean)\n"
    )
    image = {"name": "timm", "model": "test_resnet", "weights": "none", "frozen": True}
    stage = small.PRETRAIN | {"model": {"image": image}, "objective": "mean"}
    stage = stage | {"views": {"image": {"name": "plain", "size": 32}}}
    with pytest.raises(ConfigError, match=r"every weight is frozen .* do: free a slot, or evaluate alone"):
        small.run(small.write(tmp_path, small.experiment(only=stage)), plugin_files=(str(objective),))


def test_no_steps_evaluate_the_weights_that_are_there(run):
    stages = run("next.budget={steps: 0}", "next.optim=null", "next.objective={name: multilabel, init: start}")
    start, unchanged = stages["start"].folder, stages["next"].folder
    assert small.same(weights(stages["start"]), weights(stages["next"]))
    assert small.same(weights(stages["start"], "head"), weights(stages["next"], "head"))
    assert (start / "results.json").read_text() == (unchanged / "results.json").read_text()
    assert not (unchanged / "metrics.csv").exists() and not (unchanged / "figures/curves.png").exists()
    assert run("next.budget={steps: 0}", "next.optim=null", "next.objective={name: multilabel, init: start}")[
        "next"
    ].reused


def test_what_was_not_trained_predicts(finished, tmp_path):
    from medvl.engine.load import Predictor

    start = "finetune.objective={name: multilabel, init: null}"
    stage = small.run(finished.file, "finetune.budget={steps: 0}", start, f"runs={tmp_path}")["finetune"]
    kept = small.checkpoint(stage.folder, "best.ckpt")["trainable"]
    assert small.same(dict(Predictor.load(stage.folder).trainable.state_dict()), dict(kept))


def test_an_objective_starts_where_another_ended(run):
    """With a rate of 0 the head still is what the first stage selected."""
    still = ("next.optim.lr=0", "next.optim.weight_decay=0", "next.objective={name: multilabel, init: start}")
    stages = run(*still)
    assert small.same(weights(stages["start"], "head"), weights(stages["next"], "head"))
    afresh = run(*still[:2])
    assert not small.same(weights(stages["start"], "head"), weights(afresh["next"], "head"))


SUM = "start.objective={name: total, terms: {findings: {name: multilabel}}}"


def test_an_objective_starts_from_a_term_of_a_sum(run):
    still = ("next.optim.lr=0", "next.optim.weight_decay=0", SUM)
    stages = run(*still, "next.objective={name: multilabel, init: start.findings}")
    assert small.same(weights(stages["start"], "findings.head"), weights(stages["next"], "head"))
    nested = "start.objective={name: total, terms: {outer: {name: total, terms: {inner: {name: multilabel}}}}}"
    stages = run(*still, nested, "next.objective={name: multilabel, init: start.outer.inner}")
    assert small.same(weights(stages["start"], "outer.inner.head"), weights(stages["next"], "head"))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["next.objective={name: multilabel, init: strat}"], r"'strat' names no earlier stage. did you mean 'start'\?"),
        (
            ["next.objective={name: multilabel, init: start, head: transform}"],
            "do not fit this one: 'head.1.weight' is",
        ),
        (
            ["next.objective={name: multilabel, init: start}", "next.data.labels={names: [Edema]}"],
            "is .10, 6. there and",
        ),
        (
            [SUM, "next.objective={name: multilabel, init: start.finding}"],
            r"stage 'start' has no term 'finding' with weights. did you mean 'findings'\? its terms: findings",
        ),
        (["next.objective={name: multilabel, init: start.findings}"], "has no term 'findings' .* its terms: none"),
    ],
)
def test_an_objective_that_cannot_start_there(run, overrides, words):
    with pytest.raises(ConfigError, match=words):
        run(*overrides)


def test_seeds_of_a_stage_draw_other_fractions_from_the_same_splits(run):
    fraction = "next.data.fraction=0.5"
    stages = [run(fraction, f"next.seed={seed}")["next"].folder for seed in (0, 1)]
    subsets = [(folder / "subset.parquet").read_bytes() for folder in stages]
    assert subsets[0] != subsets[1]
    cases = [pq.read_table(folder / "predictions/test.parquet")["case"].to_pylist() for folder in stages]
    assert cases[0] == cases[1]

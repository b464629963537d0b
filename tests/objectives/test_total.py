"""Sums of objectives: what they share, what each keeps, and that strangers can be mixed."""

import pytest
import torch
from torch import nn

from medvl.errors import ConfigError
from medvl.objectives.base import Objective
from medvl.objectives.total import Total
from medvl.plugins import Plugins
from medvl.testkit import ObjectiveSuite
from medvl.testkit.workbench import Workbench, train
from tests import small

# an objective of nobody that this repository knows
OUTSIDER = '''
from typing import ClassVar
import torch
from torch import nn
import medvl


class Agree(medvl.Objective):
    """Pulls a projection of the image to one of the text.

    Args:
        model: gives both.
        width: D of the projections.
    """

    views: ClassVar[tuple[str, ...]] = ("image",)
    needs = ("image.pooled", "text.pooled")

    def __init__(self, model: medvl.Model, *, width: int = 4) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(model.width(name), width) for name in self.needs)

    def forward(self, model, batch):
        features = model(batch, self.needs)
        image, text = (head(features[name]) for head, name in zip(self.heads, self.needs))
        return {"distance": (image - text).square().mean(), "size": (image.square().mean() - 1).square()}

    def exports(self, model):
        return super().exports(model) | {"heads": self.heads}


@medvl.hookimpl
def medvl_register(registry):
    registry.register_objective("agree", Agree)
'''
MOCO = {"name": "moco", "queue_size": 10, "momentum": 0.9, "dim": 16}
MIX = {"terms": {"pairs": {"name": "agree", "width": 3}, "ssl": MOCO}, "weights": {"ssl": 0.5}}


@pytest.fixture(scope="module")
def outsider(tmp_path_factory):
    path = tmp_path_factory.mktemp("outsider") / "agree.py"
    path.write_text(OUTSIDER)
    return path


@pytest.fixture
def bench(outsider):
    return Workbench.of(Plugins([outsider]), {"name": "total"} | MIX, {})


class TestSuite(ObjectiveSuite):
    name = "total"
    parameters = {"terms": {"classes": {"name": "multilabel"}, "ssl": MOCO}}
    lowers = False  # MoCo's own keys become its negatives


class Stub(Objective):
    """Counts what is called."""

    def __init__(self, losses=(), views=("image",), requires=None, predicts=(), reads=()):
        super().__init__()
        self.losses, self.views, self.reads = losses, views, reads
        self.requires, self.predicts = requires or {}, predicts
        self.calls = []

    def forward(self, model, batch):
        return {name: torch.tensor(value) for name, value in self.losses}

    def before_step(self, model):
        self.calls.append("before")

    def after_step(self, model):
        self.calls.append("after")

    def predict(self, model, batch):
        return dict.fromkeys(self.predicts, torch.ones(2))


def test_losses_are_weighted_and_named_by_their_term():
    terms = {"one": Stub([("a", 1.0), ("b", 2.0)]), "other": Stub([("a", 10.0)])}
    losses = Total(terms=terms, weights={"other": 0.25})(None, {})
    assert {name: value.item() for name, value in losses.items()} == {"one.a": 1, "one.b": 2, "other.a": 2.5}


def test_what_the_terms_ask_for_is_merged_in_order():
    one = Stub(views=("image", "view_a"), requires={"image": ("grid",)}, reads=("labels",), predicts=("logits",))
    other = Stub(views=("view_b", "image"), requires={"image": ("masked_tokens", "grid"), "text": ("joint",)})
    total = Total(terms={"one": one, "other": other})
    assert total.views == ("image", "view_a", "view_b")
    assert total.requires == {"image": ("grid", "masked_tokens"), "text": ("joint",)}
    assert total.reads == ("labels",)
    assert set(total.predict(None, {})) == {"logits"} == set(total.predicts)
    assert Total(terms={"other": other}).views == ("view_b", "image"), "totals do not share what they read"


def test_every_term_is_told_of_a_step():
    terms = {"one": Stub(), "other": Stub()}
    total = Total(terms=terms)
    total.before_step(None)
    total.after_step(None)
    assert all(term.calls == ["before", "after"] for term in terms.values())


@pytest.mark.parametrize(
    ("terms", "weights", "message"),
    [
        ({}, None, "needs terms"),
        ({"a.b": Stub()}, None, r"'a\.b' cannot be a term's name"),
        ({"keys": Stub()}, None, "'keys' cannot be a term's name"),
        ({"pairs": Stub()}, {"pair": 1.0}, "no term is called 'pair'. did you mean 'pairs'"),
        ({"pairs": Stub()}, {"pairs": -1.0}, "must be at least 0"),
        ({"a": Stub(predicts=("logits",)), "b": Stub(predicts=("logits",))}, None, "'a' and 'b' both predict logits"),
    ],
)
def test_clashes_are_refused(terms, weights, message):
    with pytest.raises(ConfigError, match=message):
        Total(terms=terms, weights=weights)


def test_strangers_share_the_encoders(bench):
    assert bench.plan.views == ("image", "query", "key")
    assert bench.plan.slots == ("image", "text")
    trainable = bench.build()
    losses = trainable(bench.batch())
    assert set(losses) == {"pairs.distance", "pairs.size", "ssl.info_nce"}
    reached = {}
    for name in losses:
        trainable.zero_grad()
        trainable(bench.batch())[name].backward()
        reached[name] = {n.split(".")[0] for n, p in trainable.model.named_parameters() if p.grad is not None}
    assert reached["pairs.distance"] == {"image", "text"}
    assert reached["ssl.info_nce"] == {"image"}


def test_the_terms_keep_their_queues_and_momentum_encoders(bench):
    trainable = bench.build()
    moco = trainable.objective.terms["ssl"]
    before = [p.clone() for p in moco.key_image.parameters()]
    train(trainable, [bench.batch()] * 2)
    assert moco.queue.pointer.item() == 12 % 10
    assert any(not torch.equal(a, b) for a, b in zip(before, moco.key_image.parameters(), strict=True))


def test_exports_share_the_slots_and_name_the_rest_by_term(bench):
    trainable = bench.build()
    exports = trainable.objective.exports(trainable.model)
    assert set(exports) == {"image", "text", "pairs.heads", "ssl.projection"}
    assert exports["image"] is trainable.model.image
    assert all(isinstance(module, nn.Module) for module in exports.values())


def test_a_stage_runs_logs_every_loss_and_exports_a_terms_head(outsider, tmp_path):
    pretrain = small.PRETRAIN | {
        "data": small.PHANTOM | {"patients": 12, "text": "findings"},
        "views": small.PRETRAIN["views"] | {"image": {"name": "plain", "size": 32}},
        "model": small.PRETRAIN["model"] | {"text": {"name": "bert", "weights": "none", "layers": 1, "width": 32}},
        "objective": {"name": "total"} | MIX,
        "budget": {"steps": 2, "batch_size": 8},
    }
    path = small.write(tmp_path, small.experiment(pretrain=pretrain))
    outcome = small.run(path, plugin_files=(str(outsider),))["pretrain"]
    assert (outcome.folder / "exports" / "ssl.projection.safetensors").is_file()
    logged = {line.split(",")[2] for line in (outcome.folder / "metrics.csv").read_text().splitlines()}
    assert {"train/loss/pairs.distance", "train/loss/pairs.size", "train/loss/ssl.info_nce"} <= logged


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"terms": {"pairs": {"name": "agree", "widht": 3}}}, r"terms\.pairs\.widht: unknown parameter"),
        ({"terms": None}, "needs terms"),
    ],
)
def test_wrong_terms_are_found_before_any_data_is_read(outsider, change, message):
    with pytest.raises(ConfigError, match=message):
        Workbench.of(Plugins([outsider]), {"name": "total"} | MIX | change, {})

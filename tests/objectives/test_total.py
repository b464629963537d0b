"""Sums of objectives: what they share, what each keeps, and that strangers can be mixed."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from medvl.engine.cached_gradient import backward_compared
from medvl.engine.trainable import Trainable
from medvl.errors import ConfigError
from medvl.models.base import ImageEncoder, Model
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


class Distance(Stub):
    """Compares the cases of a batch with each other, and looks at each alone as well."""

    compares = True
    forward = Objective.forward

    def __init__(self, view, feature):
        super().__init__(views=(view,))
        self.needs = (feature,)
        self.head = nn.Linear(2, 2)

    def embed(self, model, batch):
        (view,), (feature,) = self.views, self.needs
        return {"place": self.head(model({"image": batch[view]}, self.needs)[feature])}

    def compare(self, embedded):
        return {"spread": embedded["place"].var()}

    def alone(self, model, batch):
        return {"size": self.embed(model, batch)["place"].square().mean()}


class Aligned(Stub):
    aligns = True

    def embed_images(self, model, batch):
        return batch["image"]

    def embed_texts(self, model, batch):
        return batch["text.ids"]


class Pixels(ImageEncoder):
    """Two pixels; counts its passes."""

    tokens_width = pooled_width = 2

    def __init__(self):
        super().__init__()
        self.layer, self.passes = nn.Linear(2, 2), []

    def forward(self, images, needs=("pooled",)):
        self.passes.append(set(needs))
        return dict.fromkeys(needs, self.layer(images))


def compared(weights=None):
    torch.manual_seed(0)
    one, other = Distance("image", "image.pooled"), Distance("view_a", "image.tokens")
    total = Total(terms={"one": one, "other": other, "rest": Stub([("a", 10.0)])}, weights=weights)
    return Trainable(Model(image=Pixels()), total), {name: torch.randn(8, 2) for name in ("image", "view_a")}


def test_terms_that_compare_and_others_add_up_to_the_same_losses():
    trainable, batch = compared({"one": 0.5, "rest": 2.0})
    losses = trainable(batch)
    assert set(losses) == {"one.spread", "one.size", "other.spread", "other.size", "rest.a"}
    model, (one, other, _) = trainable.model, trainable.objective.terms.values()
    for name, value in one(model, batch).items():
        torch.testing.assert_close(losses[f"one.{name}"], 0.5 * value)
    for name, value in other(model, batch).items():
        torch.testing.assert_close(losses[f"other.{name}"], value)
    assert losses["rest.a"] == 20
    assert not Total(terms={"rest": Stub()}).compares


def test_an_encoder_runs_once_for_a_view_and_computes_what_its_readers_need():
    trainable, batch = compared()
    trainable(batch)
    assert sorted(map(sorted, trainable.model.image.passes)) == [["pooled"], ["tokens"]]


def test_a_step_in_parts_has_the_gradients_of_the_whole_batch():
    trainable, batch = compared({"one": 0.5})
    parts = [{name: value[at : at + 2] for name, value in batch.items()} for at in range(0, 8, 2)]
    found = backward_compared(Fabric(accelerator="cpu", devices=1), trainable, parts)
    assert len(trainable.model.image.passes) == 2 * 2 * 4, "views, passes, parts"
    whole, _ = compared({"one": 0.5})
    losses = whole(batch)
    torch.stack(list(losses.values())).sum().backward()
    assert found.keys() == losses.keys()
    for name, value in losses.items():
        torch.testing.assert_close(found[name], value)
    for (name, ours), theirs in zip(trainable.named_parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=lambda m, name=name: f"{name}: {m}")
        assert ours.grad.abs().max() > 0


def test_the_shared_space_is_that_of_the_one_term_that_has_one():
    batch = {"image": torch.ones(2), "text.ids": torch.zeros(2)}
    total = Total(terms={"pairs": Aligned(), "rest": Stub()})
    assert total.aligns
    assert total.embed_images(None, batch) is batch["image"]
    assert total.embed_texts(None, batch) is batch["text.ids"]
    assert not Total(terms={"rest": Stub()}).aligns
    assert not Total(terms={"a": Aligned(), "b": Aligned()}).aligns


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

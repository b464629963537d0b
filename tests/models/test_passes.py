"""An encoder runs once for an input, however many ask, and computes no more than they ask for."""

import pytest
import torch
from torch import nn

from medvl.models.base import Fusion, ImageEncoder, Model, TextEncoder
from medvl.models.passes import shared_passes


class Image(ImageEncoder):
    """Notes what it is asked for."""

    tokens_width = pooled_width = 3

    def __init__(self):
        super().__init__()
        self.layer, self.calls = nn.Linear(4, 3), []

    def forward(self, images, needs=("pooled",)):
        self.calls.append(set(needs))
        tokens = self.layer(images)
        return {name: value for name, value in {"tokens": tokens, "pooled": tokens.mean(1)}.items() if name in needs}


class Text(TextEncoder):
    width = 3

    def __init__(self):
        super().__init__()
        self.words, self.calls = nn.Embedding(9, 3), []

    def forward(self, ids, mask, needs=("pooled",)):
        self.calls.append(set(needs))
        return {"tokens": self.words(ids), "pooled": self.words(ids).mean(1)}


class Join(Fusion):
    needs = ("image.pooled", "text.tokens")
    width = 3

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, model, features):
        self.calls += 1
        return {"joint.cls": features["image.pooled"] + features["text.tokens"].sum(1)}


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Model(image=Image(), text=Text())
    model.fusion = Join()
    return model


@pytest.fixture
def batch():
    ids = torch.arange(6).view(2, 3)
    return {"image": torch.randn(2, 5, 4), "text.ids": ids, "text.mask": ids >= 0}


def test_outside_every_call_is_a_pass_of_what_it_asks(model, batch):
    for needs in (("image.pooled",), ("image.tokens", "image.pooled"), ("image.pooled",)):
        assert set(model(batch, needs)) == set(needs)
    assert model.image.calls == [{"pooled"}, {"tokens", "pooled"}, {"pooled"}]


def test_an_announced_union_is_one_pass_and_each_gets_what_it_asked_for(model, batch):
    alone = model(batch, ("image.tokens", "image.pooled"))
    model.image.calls.clear()
    with shared_passes([(batch["image"], ("image.pooled",)), (batch["image"], ("image.tokens", "text.pooled"))]):
        first = model(batch, ("image.pooled",))
        second = model({"image": batch["image"]}, ("image.tokens",))
    assert model.image.calls == [{"tokens", "pooled"}]
    assert set(first) == {"image.pooled"} and set(second) == {"image.tokens"}
    assert torch.equal(first["image.pooled"], alone["image.pooled"])
    assert torch.equal(second["image.tokens"], alone["image.tokens"])


def test_other_inputs_are_other_passes_and_compute_only_what_is_asked_of_them(model, batch):
    other = batch["image"].clone()
    with shared_passes([(batch["image"], ("image.tokens",)), (other, ("image.pooled",))]):
        model(batch, ("image.tokens",))
        model({"image": other}, ("image.pooled",))
    assert model.image.calls == [{"tokens"}, {"pooled"}]


def test_what_was_not_announced_costs_a_pass_and_is_right(model, batch):
    with shared_passes():
        model(batch, ("image.pooled",))
        assert model(batch, ("image.tokens",))["image.tokens"].shape == (2, 5, 3)
        model(batch, ("image.pooled",))
    assert model.image.calls == [{"pooled"}, {"tokens"}]


def test_a_pass_without_gradients_is_not_given_to_who_needs_them(model, batch):
    with shared_passes():
        with torch.no_grad():
            model(batch, ("image.pooled",))
        assert model(batch, ("image.pooled",))["image.pooled"].requires_grad
    assert len(model.image.calls) == 2


def test_texts_and_fusions_are_shared_too(model, batch):
    wanted = [(batch[name], ("joint.cls", "text.pooled")) for name in ("image", "text.ids")]
    with shared_passes(wanted):
        joint = model(batch, ("joint.cls",))
        model(batch, ("text.pooled",))
        assert torch.equal(model(batch, ("joint.cls", "text.pooled"))["joint.cls"], joint["joint.cls"])
    assert (len(model.image.calls), len(model.text.calls), model.fusion.calls) == (1, 1, 1)
    assert model.text.calls == [{"tokens", "pooled"}]


def test_inside_another_it_is_a_part_of_that_and_at_the_end_nothing_is_kept(model, batch):
    with shared_passes():
        with shared_passes():
            model(batch, ("image.pooled",))
        model(batch, ("image.pooled",))
    model(batch, ("image.pooled",))
    assert len(model.image.calls) == 2

"""MedViLL writes: what is kept between words changes nothing about them."""

import pytest
import torch

import medvl
from medvl.models.masks.schemes import bar, seq2seq
from medvl.models.writing.beam import beam
from medvl.models.writing.search import FusionWriter
from medvl.models.writing.word_by_word import greedy, nucleus
from medvl.objectives.vocabulary_head import vocabulary_head
from tests.plugins.test_medvill import small
from tests.plugins.test_mmbt import batch_of

MOST, PAD = 12, 0
END = 20  # some word: random weights write it sooner or later


def features_of(model, batch):
    with torch.no_grad():
        return model(batch, model.fusion.needs)


class Recomputing:
    """A writer that reads `[CLS] image [SEP] words [MASK]` anew for every word, through the fusion's own forward."""

    def __init__(self, model, features, head):
        self.model, self.head = model, head
        self.features = {"image.tokens": features["image.tokens"]}
        self.ids = features["text.ids"][:, :1]

    def step(self, words):
        if words is not None:
            self.ids = torch.cat([self.ids, words[:, None]], 1)
        ids = torch.cat([self.ids, torch.full_like(self.ids[:, :1], self.model.text.tokenizer.mask)], 1)
        given = self.features | {"text.ids": ids, "text.mask": torch.ones_like(ids, dtype=torch.bool)}
        return self.head(self.model.fusion(self.model, given)["joint.text"][:, -1], self.model.text.table)

    def select(self, rows):
        self.ids = self.ids[rows]
        self.features["image.tokens"] = self.features["image.tokens"][rows]


def writers(model, rows, most=MOST):
    """A cached one and one that recomputes, with a head that likes one word as well as another."""
    torch.manual_seed(1)
    batch = batch_of(model, [9] * rows, 9, size=model.image.size)
    features = features_of(model, batch)
    head = vocabulary_head(model, "joint.text", "test").eval()
    with torch.no_grad():
        head.norm.weight.mul_(3)
        head.bias[:5] = -1e4  # special tokens
    begin = {"image.tokens": features["image.tokens"], "text.ids": features["text.ids"][:, :1]}
    state = model.fusion.begin(model, begin, most)
    return FusionWriter(model, state, lambda hidden: head(hidden, model.text.table)), Recomputing(model, features, head)


def sized(size=64, **fusion):
    model = small(size=size, mask=seq2seq, **fusion)
    model.image.size = size
    with torch.no_grad():  # images tell reports apart, and words what follows them
        model.fusion.project.weight.mul_(30)
        for layer in model.text.transformer.encoder.layer:
            layer.attention.output.dense.weight.mul_(4)
    return model


MODELS = {
    "paper": {},
    "released": {"preset": "released"},
    "large grid": {"size": 128, "preset": "released"},
    "sampled in training": {"size": 128, "sampled": 5},
}


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("name", MODELS)
def test_kept_keys_and_values_change_no_word(name, rows):
    cached, anew = writers(sized(**MODELS[name]), rows)
    blank = torch.full((rows, MOST), PAD)
    found = greedy(cached, blank, END)
    assert found.equal(greedy(anew, blank, END))
    assert rows == 1 or len((found != PAD).sum(1).unique()) > 1


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
def test_sampled_tokens_stay_what_they_were_drawn(training):
    model = sized(size=128, sampled=5)
    model.fusion.train(training)
    kept = torch.tensor([0, 3, 4, 9, 15])
    model.fusion.draw = lambda tokens, device: kept if training else torch.arange(tokens)
    cached, anew = writers(model, 4)
    blank = torch.full((4, MOST), PAD)
    assert greedy(cached, blank, END).equal(greedy(anew, blank, END))


@torch.no_grad()
def test_beams_and_draws_too():
    blank, draws = torch.full((5, MOST), PAD), torch.rand(5, MOST, generator=torch.Generator().manual_seed(0))
    for search in (
        lambda writer: beam(writer, blank, END, width=3, length_penalty=0.6),
        lambda writer: nucleus(writer, blank, END, draws, top_p=0.8, temperature=0.9),
    ):
        cached, anew = writers(sized(), 5)
        found = search(cached)
        assert found.equal(search(anew)) and len({tuple(row) for row in found.tolist()}) > 1


@torch.no_grad()
def test_the_image_is_not_looked_at_again():
    model = sized()
    cached, _ = writers(model, 3)
    for module in (model.image, model.fusion.project):
        module.register_forward_hook(lambda *_: pytest.fail("computed again"))
    greedy(cached, torch.full((3, MOST), PAD), END)


@torch.no_grad()
@pytest.mark.parametrize("preset", ["paper", "released"])
@pytest.mark.parametrize("mask", [seq2seq, bar])
def test_every_word_in_one_pass_is_every_word_step_by_step(preset, mask):
    """Whatever the mask: writing is under `seq2seq`."""
    model = small(size=128, preset=preset, mask=mask)
    batch = batch_of(model, [9, 5, 2], 9, size=128)
    features = features_of(model, batch)
    found = model.fusion.next_words(model, features)
    slow = medvl.Fusion.next_words(model.fusion, model, features)
    real = batch["text.mask"][:, 1:]
    assert found.shape == (3, 8, 32)
    torch.testing.assert_close(found[real], slow[real], atol=1e-5, rtol=1e-4)


def test_a_word_knows_nothing_of_itself_and_what_follows():
    model = small(size=64)
    features = features_of(model, batch_of(model, [9, 9], 9))
    features["text.ids"] = features["text.ids"].clone()
    before = model.fusion.next_words(model, features)
    features["text.ids"][:, 4] = (features["text.ids"][:, 4] - 5 + 1) % 45 + 5
    moved = (model.fusion.next_words(model, features) - before).abs().amax(-1) > 1e-6
    assert moved[0].tolist() == [False] * 4 + [True] * 4  # columns 1 to 4, then 5 to 8


@torch.no_grad()
@pytest.mark.parametrize("rows", [[2, 1], [0, 0, 0], [3, 3, 1, 0], [1, 0, 3, 2, 2, 2]])
def test_rows_take_all_that_they_are_made_of_along(rows):
    model = sized()
    chosen, words = torch.tensor(rows), torch.tensor([7, 8, 9, 10])
    cached, anew = writers(model, 4)
    for writer in (cached, anew):
        writer.step(None)
        writer.step(words)
        writer.select(chosen)
    for place in range(2):
        words = torch.arange(len(rows)) + 11 + place
        torch.testing.assert_close(cached.step(words), anew.step(words), atol=1e-4, rtol=1e-4)
    again = torch.arange(len(rows)).flip(0)[:2]
    for writer in (cached, anew):
        writer.select(again)
    torch.testing.assert_close(cached.step(words[:2]), anew.step(words[:2]), atol=1e-4, rtol=1e-4)

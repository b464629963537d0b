import pytest
import torch
from medvl_medvill.fusion import MedViLL
from torch import nn
from torch.nn import functional

import medvl
from medvl.contract import DataSpec
from medvl.models.base import Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.masks.layout import Layout
from medvl.models.masks.mixed import Mixed
from medvl.models.masks.schemes import NonCrossing, bar, bidirectional, seq2seq
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.tokenizer import Corpus
from medvl.models.weights import load_weights
from medvl.objectives.masked_language import MaskedLanguageModelling
from medvl.objectives.report_matching import ReportMatching
from tests.golden_fixtures import golden
from tests.plugins.joint_places import check_places
from tests.plugins.test_mmbt import Trunk, batch_of, ours, write_tokenizer

NAMES = {
    "enc.txt_embeddings.": "model.text.transformer.embeddings.",
    "enc.encoder.": "model.text.transformer.encoder.",
    "enc.pooler.": "model.text.transformer.pooler.",
    "enc.img_encoder.model.": "model.image.trunk.",
    "enc.img_embeddings.img_embeddings.": "model.fusion.project.",
    "mlm.predictions.transform.dense.": "words.head.dense.",
    "mlm.predictions.transform.LayerNorm.": "words.head.norm.",
    "mlm.predictions.bias": "words.head.bias",
    "itm.linear.": "matching.head.",
}
# in fixture -> scheme; `bar` as released, padding included
SCHEMES = {"bar": lambda layout: bar(layout, clean=False), "s2s": seq2seq, "bi": bidirectional}


class Reference(nn.Module):
    """Our model and objectives with the reference's weights, every one of them."""

    def __init__(self, fixture, scheme, folder) -> None:
        super().__init__()
        config = fixture.config
        special = {
            "pad": 0,
            "unk": 1,
            "cls": int(fixture.tensors["in.cls"][0]),
            "sep": int(fixture.tensors["in.sep"][0]),
        }
        text = BertEncoder(
            write_tokenizer(config | special, folder), weights="none", layers=config["layers"], width=config["hidden"],
            heads=config["heads"], intermediate=config["intermediate"], positions=config["max_positions"],
            max_length=config["max_positions"],
        )  # fmt: skip
        self.model = Model(Trunk(config["image"], config["cnn_channels"]), text)
        self.model.fusion = MedViLL(self.model, preset="released", mask=scheme)
        self.words = MaskedLanguageModelling(self.model)
        self.matching = ReportMatching(self.model, DataSpec(labels=("a",)))
        drawn = fixture.tensors["in.permutation"][: config["num_image_tokens"]].sort().values
        self.model.fusion.draw = lambda tokens, device: drawn
        state = fixture.part("state")
        words = state.pop("mlm.predictions.decoder.weight")
        assert words.equal(state["enc.txt_embeddings.word_embeddings.weight"])  # tied
        load_weights(self, state, source=fixture.stem, expected=1.0, rename=lambda name: ours(name, NAMES))
        self.eval()

    def batch(self, fixture):
        given = fixture.part("in")
        ids = torch.cat([given["cls"], given["input_ids"]], 1)
        labels = given["mlm_labels"][:, fixture.config["num_image_tokens"] + 2 :]
        labels = functional.pad(labels, (1, 0), value=-100)
        return {
            "image": given["image"], "text.ids": ids, "text.mask": ids != 0, "text.hidden": labels >= 0,
            "text.original": labels.clamp(min=0), "matched": given["aligned"].bool(),
        }  # fmt: skip


@pytest.mark.parametrize("name", SCHEMES)
def test_released_layout_equals_the_reference(name, tmp_path):
    fixture = golden("medvill_forward")
    reference = Reference(fixture, SCHEMES[name], tmp_path)
    model, batch, entered = reference.model, reference.batch(fixture), []
    model.text.transformer.embeddings.register_forward_hook(lambda module, given, out: entered.append(out))
    found = model(batch, ["joint.cls", "joint.tokens", "joint.text", "joint.cls_sep", "image.tokens"])
    fixture.close(found["image.tokens"][:, model.fusion.draw(0, "cpu")], "out.image_tokens")
    fixture.close(entered[0], "out.joint_embeddings")
    real = Layout(fixture.config["num_image_tokens"] + 2, batch["text.ids"].shape[1] - 1, batch["text.mask"].sum(1) - 1)
    rows = torch.ones_like(real.real[:, 0]) if name == "bar" else real.real[:, 0]  # padding sees padding there
    tolerance = fixture.meta["suggested_tolerance"]
    torch.testing.assert_close(found["joint.tokens"][rows], fixture.tensors[f"out.{name}.hidden"][rows], **tolerance)
    fixture.close(found["joint.cls"], f"out.{name}.pooled")
    last = fixture.tensors[f"out.{name}.hidden"]  # what questions are answered from: [CLS] times the first [SEP]
    answered_from = last[:, 0] * last[:, fixture.config["num_image_tokens"] + 1]
    torch.testing.assert_close(found["joint.cls_sep"], answered_from, **tolerance)
    fixture.close(reference.matching.head(found["joint.cls"]), f"out.{name}.match_logits")
    hidden = batch["text.hidden"][:, 1:]
    logits = reference.words.head(found["joint.text"][:, 1:][hidden], model.text.table)
    theirs = fixture.tensors[f"out.{name}.mlm_logits"][:, real.prefix :][hidden]
    torch.testing.assert_close(logits, theirs, **tolerance)
    mlm = reference.words.judge(model, found, batch)["mlm"]
    matching = reference.matching.judge(model, found, batch)["matching"]
    fixture.close(mlm, f"out.{name}.loss_mlm")
    fixture.close(matching, f"out.{name}.loss_match")
    fixture.close(mlm + matching, f"out.{name}.loss_total")
    check_gradients(fixture, reference, name, mlm + matching)


def check_gradients(fixture, reference, name, loss):
    loss.backward()
    parameters, prefix = dict(reference.named_parameters()), f"out.{name}.grad."
    wanted = [key for key in fixture.tensors if key.startswith(prefix)]
    assert wanted or name != "bar"
    for key in wanted:
        fixture.close(parameters[ours(key.removeprefix(prefix), NAMES)].grad, key)


def small(size=64, mask=bar, **fusion):
    torch.manual_seed(0)
    text = BertEncoder(
        Corpus(), weights="none", layers=2, width=32, heads=2, vocab_size=50, positions=24, max_length=24, dropout=0.0
    )
    model = Model(TimmEncoder(size, model="resnet18"), text)
    model.fusion = MedViLL(model, mask=mask, **fusion)
    return model.eval()


def joint(model, batch):
    with torch.no_grad():
        return model(batch, model.fusion.gives)


@pytest.mark.parametrize("preset", ["paper", "released"])
@pytest.mark.parametrize("mask", [bidirectional, seq2seq, bar, NonCrossing()])
def test_longer_padding_changes_nothing(preset, mask):
    model = small(preset=preset, mask=mask)
    short = batch_of(model, [9, 5, 2], 9)
    long = short | {
        "text.ids": functional.pad(short["text.ids"], (0, 8), value=17),
        "text.mask": functional.pad(short["text.mask"], (0, 8), value=False),
    }
    one, other = joint(model, short), joint(model, long)
    torch.testing.assert_close(other["joint.cls"], one["joint.cls"])
    real = short["text.mask"]
    torch.testing.assert_close(other["joint.text"][:, :9][real], one["joint.text"][real])


def test_the_text_stands_in_its_own_columns():
    """What a column of `joint.text` says follows the id in that column, and [CLS] is the first."""
    model = small(mask=seq2seq)
    batch = batch_of(model, [9, 7], 9)
    ids = batch["text.ids"].clone()
    ids[:, 4] = (ids[:, 4] - 5 + 1) % 45 + 5
    one, other = joint(model, batch), joint(model, batch | {"text.ids": ids})
    moved = (one["joint.text"] - other["joint.text"]).abs().amax(-1) > 1e-6
    assert moved[0].tolist() == [False] * 4 + [True] * 5  # causal: from column 4 on
    assert one["joint.text"][:, 0].equal(one["joint.tokens"][:, 0])


def test_a_mask_of_two_parts_gives_the_text_its_own_cls():
    model, batch = small(mask=NonCrossing()), None
    batch = batch_of(model, [9, 5], 9)
    found, crossing = joint(model, batch), joint(small(mask=bar), batch)
    assert found["joint.tokens"].shape[1] == crossing["joint.tokens"].shape[1] + 1
    assert found["joint.text"].shape == crossing["joint.text"].shape
    other_image = joint(model, batch | {"image": torch.randn(2, 1, 64, 64)})
    assert other_image["joint.text"].equal(found["joint.text"])
    assert ((other_image["joint.cls"] - found["joint.cls"]).abs().amax(1) > 1e-5).all()
    ids = batch["text.ids"].clone()
    ids[:, 1] = (ids[:, 1] - 5 + 1) % 45 + 5
    assert ((joint(model, batch | {"text.ids": ids})["joint.cls"] - found["joint.cls"]).abs().amax(1) > 1e-6).all()


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_tokens_are_drawn_in_training_and_all_read_in_evaluation(preset):
    model = small(size=128, sampled=5, preset=preset)  # a grid of 4 x 4
    batch = batch_of(model, [9, 5], 9, size=128)
    assert joint(model, batch)["joint.tokens"].shape[1] == 16 + 2 + 8
    model.train()
    assert joint(model, batch)["joint.tokens"].shape[1] == 5 + 2 + 8
    torch.manual_seed(1)
    drawn = [model.fusion.draw(16, "cpu") for _ in range(300)]
    assert all(one.diff().min() > 0 for one in drawn)
    shares = torch.bincount(torch.cat(drawn), minlength=16) / 300
    assert (shares - 5 / 16).abs().max() < 0.1
    torch.manual_seed(1)
    assert model.fusion.draw(16, "cpu").equal(drawn[0])


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_a_drawn_token_keeps_its_place(preset):
    """All tokens, drawn, are what all tokens are when none is drawn."""
    model = small(size=128, preset=preset)
    batch = batch_of(model, [9, 5], 9, size=128)
    expected = joint(model, batch)["joint.cls"]
    model.fusion.draw = lambda tokens, device: torch.arange(16).flip(0)  # the order means nothing to attention
    torch.testing.assert_close(joint(model, batch)["joint.cls"], expected, atol=1e-5, rtol=1e-4)


def test_paper_adds_location_and_segment_before_the_linear_map():
    model = small(size=128, preset="paper")
    batch, entered = batch_of(model, [9, 5], 9, size=128), []
    model.fusion.project.register_forward_hook(lambda module, given, out: entered.append(given[0]))
    joint(model, batch)
    place = model.fusion.place
    expected = model.image(batch["image"], ("tokens",))["tokens"] + place.location + place.segment
    torch.testing.assert_close(entered[0], expected)
    assert place.location.shape == (16, 512) and place.location.std() > 0


def test_a_mixture_draws_for_every_sample_in_training():
    mixed = Mixed(schemes={"a": seq2seq, "b": bidirectional}, probabilities={"a": 0.75, "b": 0.25})
    model = small(mask=mixed)
    batch = batch_of(model, [9] * 12, 9)
    batch = {name: value[:1].expand(12, *value.shape[1:]) for name, value in batch.items()}  # one case, twelve times
    assert joint(model, batch)["joint.cls"].allclose(joint(small(mask=seq2seq), batch)["joint.cls"], atol=1e-6)
    model.fusion.train()
    torch.manual_seed(0)
    cls = joint(model, batch)["joint.cls"]
    assert len(torch.unique((cls[:, 0] * 1e4).round())) == 2
    torch.manual_seed(0)
    assert joint(model, batch)["joint.cls"].equal(cls)


def test_impossible_sizes_are_refused():
    with pytest.raises(medvl.ConfigError, match="sampled: 5 is not between 1 and the 4 tokens"):
        small(sampled=5)
    with pytest.raises(medvl.ConfigError, match=r"numbers 25 image tokens, .* 24 positions"):
        small(size=160)


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_builds_and_runs_on_the_meta_device(preset):
    with torch.device("meta"):
        text = BertEncoder(Corpus(), weights="none", layers=2, width=32)
        model = Model(TimmEncoder(64, model="resnet18"), text)
        model.fusion = MedViLL(model, preset=preset, sampled=3, mask=bar)
        batch = {
            "image": torch.empty(2, 1, 64, 64),
            "text.ids": torch.empty(2, 9, dtype=torch.int64),
            "text.mask": torch.empty(2, 9, dtype=torch.bool),
        }
        found = model(batch, model.fusion.gives)
    assert found["joint.tokens"].shape == (2, 3 + 2 + 8, 32)
    assert found["joint.text"].shape == (2, 9, 32)


@pytest.mark.parametrize("mask", [bar, NonCrossing()])
def test_places_are_where_cells_and_words_stand(mask):
    model = small(mask=mask, preset="released", sampled=2)  # a drawing is for training
    check_places(model)
    model.image.grid = None
    assert model.fusion.places(model, 6) is None

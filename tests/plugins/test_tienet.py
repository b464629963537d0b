"""TieNet writes word by word what it reads at once, and looks where it says."""

import pytest
import torch
from medvl_medvill.tienet import AdditiveAttention, TieNet

from medvl.models.base import Model
from medvl.models.bert_encoder import BertEncoder
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.tokenizer import Corpus

TEXTS = ("no effusion is seen", "the heart is enlarged and there is edema", "clear lungs")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    text = BertEncoder(Corpus(texts=lambda: TEXTS), weights="none", layers=1, width=16, heads=2, vocab_size=90)
    made = Model(TimmEncoder(64, model="test_vit"), text)
    made.fusion = TieNet(made, hidden=12, attention=8, saliency=6, heads=3)
    return made.eval()


def given(model, rows=3, columns=7):
    torch.manual_seed(1)
    ids = torch.randint(5, 30, (rows, columns))
    ids[:, 0] = model.text.tokenizer.cls
    lengths = torch.tensor([columns, 4, 2])[:rows]
    mask = torch.arange(columns) < lengths[:, None]
    return {"image.tokens": torch.randn(rows, 5, model.image.tokens_width), "text.ids": ids * mask, "text.mask": mask}


@torch.no_grad()
def test_step_by_step_equals_the_teacher_forced_pass(model):
    features = given(model)
    whole = model.fusion.next_words(model, features)  # (B, T - 1, D)
    state = model.fusion.begin(model, features | {"text.ids": features["text.ids"][:, :1]}, 6)
    words = [None, *features["text.ids"][:, 1:-1].unbind(1)]
    steps = torch.stack([model.fusion.step(model, state, word) for word in words], 1)
    torch.testing.assert_close(steps, whole)


@torch.no_grad()
def test_selected_reports_go_on_as_they_would_have(model):
    features = given(model)
    words = torch.tensor([7, 8, 9])
    alone, chosen = (model.fusion.begin(model, features, 6) for _ in range(2))
    model.fusion.step(model, alone, None)
    model.fusion.step(model, chosen, None)
    rows = torch.tensor([2, 0, 2])
    chosen.select(rows)
    after = model.fusion.step(model, chosen, words[rows])
    torch.testing.assert_close(after, model.fusion.step(model, alone, words)[rows])


@torch.no_grad()
def test_a_word_knows_no_later_one_and_its_own_image(model):
    features = given(model)
    before = model.fusion(model, features)["joint.text"]
    ids = features["text.ids"].clone()
    ids[0, 4] += 1
    after = model.fusion(model, features | {"text.ids": ids})["joint.text"]
    assert after[0, :4].equal(before[0, :4]) and not after[0, 4].equal(before[0, 4])
    assert after[1:].equal(before[1:])
    other = model.fusion(model, features | {"image.tokens": features["image.tokens"].flip(1) + 1})["joint.text"]
    assert not other.isclose(before).all(-1).any()


@torch.no_grad()
def test_the_summary_is_attention_encoded_text_and_saliency_weighted_image(model):
    fusion, features = model.fusion, given(model)
    state = fusion.begin(model, features, 6)
    hidden, maps = [], []
    for word in model.text.embed(features["text.ids"]).unbind(1):
        state_now, weights = fusion._read(state, word)
        hidden.append(state_now)
        maps.append(weights)
    found = fusion(model, features)["joint.cls"]
    for case, length in enumerate(features["text.mask"].sum(1).tolist()):
        states = torch.stack([state[case] for state in hidden[:length]])  # (T, hidden)
        shares = fusion.heads(states).softmax(0)  # (T, heads)
        text = torch.stack([(share[:, None] * states).sum(0) for share in shares.T]).max(0).values
        image = torch.zeros(model.image.tokens_width)
        for time in range(length):
            for place, weight in enumerate(maps[time][case]):
                image += shares[time].max() * weight * features["image.tokens"][case, place]
        torch.testing.assert_close(found[case], torch.cat([text, image]))


def test_attention_is_a_softmax_over_image_tokens():
    torch.manual_seed(0)
    look = AdditiveAttention(4, 3, 5)
    tokens, hidden = torch.randn(2, 6, 4), torch.randn(2, 3)
    weights = look(look.keys(tokens), hidden)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    score = (
        look.score.weight[0] @ (look.keys.weight @ tokens[1, 2] + look.keys.bias + look.query.weight @ hidden[1]).tanh()
    )
    other = (
        look.score.weight[0] @ (look.keys.weight @ tokens[1, 0] + look.keys.bias + look.query.weight @ hidden[1]).tanh()
    )
    torch.testing.assert_close(weights[1, 2] / weights[1, 0], (score - other).exp())

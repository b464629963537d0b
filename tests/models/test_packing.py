"""Packed texts give what padded ones give, in values and gradients, and compute no padding."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel, BertConfig, DistilBertConfig, RobertaConfig

from medvl.models.packing import PackedTexts, encode, packs

SHAPE = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
CONFIGS = {
    "bert": BertConfig(**SHAPE, max_position_embeddings=16),
    "roberta": RobertaConfig(**SHAPE, max_position_embeddings=18, pad_token_id=1),
}
LENGTHS = torch.tensor([3, 12, 1, 7])


def made(name="bert", columns=14):
    """A model without dropout, ids and mask; 12 of 14 columns are the longest text."""
    torch.manual_seed(0)
    model = AutoModel.from_config(CONFIGS[name]).eval()
    mask = torch.arange(columns) < LENGTHS[:, None]
    return model, torch.where(mask, torch.randint(5, 50, mask.shape), CONFIGS[name].pad_token_id), mask


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.fixture(params=["one_by_one", "spread"])
def attention(request, monkeypatch):
    """Both ways of attending, whatever the device."""
    monkeypatch.setattr(PackedTexts, "attend", getattr(PackedTexts, f"_attend_{request.param}"))


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_values_and_gradients_are_those_of_padded_texts(name, first_only, attention):
    model, ids, mask = made(name)
    weights = torch.randn(*mask.shape, 32)

    padded = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    real = mask.clone()
    if first_only:
        real[:, 1:] = False
    expected = gradients(model, (padded[real] * weights[real]).sum())

    packed = encode(model, ids, PackedTexts(mask), first_only)
    torch.testing.assert_close(packed, padded[real], rtol=0, atol=1e-5)
    found = gradients(model, (packed * weights[real]).sum())
    assert found.keys() == expected.keys()
    for key, value in found.items():
        torch.testing.assert_close(value, expected[key], rtol=1e-4, atol=1e-5, msg=key)


def test_unpacking_puts_tokens_where_they_were():
    _, ids, mask = made()
    texts = PackedTexts(mask)
    assert texts.lengths == LENGTHS.tolist()
    back = texts.unpack(texts.pack(ids)[:, None].float())
    assert back.shape == (*mask.shape, 1)
    assert torch.equal(back[..., 0], torch.where(mask, ids, 0).float())


def test_no_text_sees_another(attention):
    model, ids, mask = made()
    changed = ids.clone()
    changed[1] = ids[1].flip(0)
    with torch.no_grad():
        texts = PackedTexts(mask)
        before, after = (texts.unpack(encode(model, words, texts)) for words in (ids, changed))
    others = [0, 2, 3]
    torch.testing.assert_close(after[others], before[others], rtol=0, atol=1e-6)
    assert not torch.allclose(after[1], before[1])


def test_an_empty_text_disturbs_no_other(attention):
    model, ids, mask = made()
    mask[2] = False
    with torch.no_grad():
        texts = PackedTexts(mask)
        found = texts.unpack(encode(model, ids, texts))
        expected = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    assert found.isfinite().all()
    torch.testing.assert_close(found[mask], expected[mask], rtol=0, atol=1e-5)


def test_work_does_not_grow_with_padding_and_shrinks_where_first_tokens_suffice():
    work = {}
    for name, columns, first_only in (("short", 12, False), ("long", 14, False), ("first", 14, True)):
        model, ids, mask = made(columns=columns)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            encode(model, ids, PackedTexts(mask), first_only)
        work[name] = counter.get_total_flops()
    assert work["long"] == work["short"]
    assert work["first"] < 0.75 * work["long"]


def test_dropout_drops_in_training_alone(attention):
    model, ids, mask = made()
    texts = PackedTexts(mask)
    with torch.no_grad():
        still = encode(model, ids, texts)
        assert torch.equal(encode(model, ids, texts), still)
        model.train()
        torch.manual_seed(0)
        one, two = encode(model, ids, texts), encode(model, ids, texts)
        torch.manual_seed(0)
        again = encode(model, ids, texts)
    assert not torch.allclose(one, still) and not torch.allclose(one, two) and torch.equal(one, again)


def test_other_architectures_are_not_packed():
    model = AutoModel.from_config(DistilBertConfig(vocab_size=50, dim=32, n_layers=1, n_heads=2, hidden_dim=48))
    assert not packs(model)
    assert not packs(AutoModel.from_config(BertConfig(**SHAPE, is_decoder=True)))
    assert packs(made("bert")[0]) and packs(made("roberta")[0])

"""What is shown of attention is what the layers compute with, under every mask, and showing it changes nothing."""

from functools import partial

import pytest
import torch

from medvl.models.bert_encoder import BertEncoder
from medvl.models.masks.attention import SchemeMask
from medvl.models.masks.layout import Layout
from medvl.models.masks.schemes import NonCrossing, bar, bidirectional, seq2seq
from tests.models.test_bert_encoder import small

LAYOUT = Layout(5, 6, torch.tensor([6, 3, 4]))
SCHEMES = [bidirectional, seq2seq, bar, partial(bar, clean=False), NonCrossing()]


def joint(encoder: BertEncoder, scheme) -> torch.Tensor:
    embeddings = torch.randn(3, LAYOUT.size, encoder.width, generator=torch.Generator().manual_seed(1))
    segments = (LAYOUT.key >= LAYOUT.prefix).long()[None]
    return encoder.joint(embeddings, LAYOUT.key[None], segments, SchemeMask(scheme, LAYOUT))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("attention", ["sdpa", "flex"])
def test_probabilities_respect_the_mask_and_change_nothing(scheme, attention):
    encoder = small(attention=attention)
    with torch.no_grad():
        expected = joint(encoder, scheme)
        with encoder.attentions() as maps:
            found = joint(encoder, scheme)
        again = joint(encoder, scheme)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(again, expected) and len(maps) == 2  # and nothing is watched outside
    allow = SchemeMask(scheme, LAYOUT).dense().expand(3, LAYOUT.size, -1)[:, None].expand(-1, 2, -1, -1)
    for layer in maps:
        assert layer.shape == (3, 2, LAYOUT.size, LAYOUT.size)
        torch.testing.assert_close(layer.sum(-1), torch.ones(3, 2, LAYOUT.size))
        assert (layer[~allow] == 0).all() and (layer[allow] > 0).all()


def test_probabilities_times_values_are_what_each_layer_gives():
    encoder = small()
    values, outputs = [], []
    for layer in encoder.transformer.encoder.layer:
        attention = layer.attention.self
        attention.value.register_forward_hook(lambda module, read, given: values.append(given))
        attention.register_forward_hook(lambda module, read, given: outputs.append(given[0]))
    with torch.no_grad():
        joint(encoder, seq2seq)
        with encoder.attentions() as maps:
            joint(encoder, seq2seq)
    for layer, probabilities in enumerate(maps):
        heads = values[layer].unflatten(2, (2, -1)).transpose(1, 2)  # (B, heads, S, D / heads), of the unwatched pass
        torch.testing.assert_close((probabilities @ heads).transpose(1, 2).flatten(2), outputs[layer])


def test_an_error_inside_leaves_the_encoder_as_it_was():
    encoder = small(attention="flex")
    before = encoder.transformer.config._attn_implementation
    with pytest.raises(RuntimeError, match="inside"), encoder.attentions():
        raise RuntimeError("inside")
    assert encoder.transformer.config._attn_implementation == before and encoder.attention == "flex"


def test_each_pass_appends_its_layers():
    encoder = small()
    with torch.no_grad(), encoder.attentions() as maps:
        joint(encoder, bar)
        joint(encoder, bar)
    assert len(maps) == 4 and torch.equal(maps[0], maps[2])

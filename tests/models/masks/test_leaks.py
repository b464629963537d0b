"""Words that come to know later ones: told from the scheme, and seen in a transformer of as many layers."""

import pytest
import torch

from medvl.models.bert_encoder import BertEncoder
from medvl.models.masks.attention import SchemeMask
from medvl.models.masks.layout import Layout
from medvl.models.masks.leaks import first_leak
from medvl.models.masks.mixed import Mixed
from medvl.models.masks.schemes import NonCrossing, bar, bidirectional, seq2seq
from medvl.models.tokenizer import Corpus

MIXED = {"schemes": {"s2s": seq2seq, "bi": bidirectional}}


def one_by_one(layout):
    """Words see themselves and the next one: knowledge comes from farther in every layer."""
    return ((layout.key - layout.query >= 0) & (layout.key - layout.query <= 1)) & layout.real


@pytest.mark.parametrize(
    ("scheme", "layer"),
    [
        (seq2seq, None),
        (bar, 2),
        (lambda layout: bar(layout, clean=False), 2),
        (bidirectional, 1),
        (NonCrossing(), 1),
        (one_by_one, 1),
        (lambda layout: layout.key <= layout.query, None),
        (Mixed(**MIXED, probabilities={"s2s": 0.75, "bi": 0.25}), None),  # in evaluation it is the likelier one
        (Mixed(**MIXED, probabilities={"s2s": 0.25, "bi": 0.75}), 1),
    ],
)
def test_the_layer_behind_which_a_word_knows_a_later_one(scheme, layer):
    assert first_leak(scheme) == layer


@torch.no_grad()
@pytest.mark.parametrize("scheme", [seq2seq, bar, bidirectional])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_transformer_leaks_as_told(scheme, layers):
    torch.manual_seed(0)
    text = BertEncoder(
        Corpus(texts=lambda: ["a b c"]), weights="none", layers=layers, width=16, heads=2, vocab_size=20, dropout=0.0
    ).eval()
    layout = Layout(4, 5, torch.tensor([5]))
    before = torch.randn(1, layout.size, 16)
    after = before.clone()
    after[0, -1] = torch.randn(16)  # the last word
    zeros = torch.zeros(1, layout.size, dtype=torch.long)
    one, other = (text.joint(each, zeros, zeros, SchemeMask(scheme, layout)) for each in (before, after))
    earlier = slice(layout.prefix, layout.size - 1)
    changed = not torch.allclose(one[:, earlier], other[:, earlier], atol=1e-6)
    leak = first_leak(scheme)
    assert changed == (leak is not None and layers >= leak)

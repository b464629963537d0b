import pytest
import torch

from medvl.contract import Layout
from medvl.models.masks import as_attention_mask, bidirectional, seq2seq

LAYOUTS = [Layout(3, 5, torch.tensor([5, 2, 0])), Layout(1, 1, torch.tensor([1])), Layout(4, 0, torch.tensor([0, 0]))]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bidirectional_allows_real_keys(layout):
    allow = bidirectional(layout)
    for b, length in enumerate(layout.lengths.tolist()):
        for key in range(layout.prefix + layout.text):
            assert allow[b, key].item() == (key < layout.prefix + length)
    assert allow.dtype == torch.bool


@pytest.mark.parametrize("layout", LAYOUTS)
def test_seq2seq_is_causal_over_text_and_open_over_the_prefix(layout):
    allow = seq2seq(layout)
    size = layout.prefix + layout.text
    assert allow.shape == (len(layout.lengths), size, size)
    for b, length in enumerate(layout.lengths.tolist()):
        for query in range(size):
            for key in range(size):
                causal_text = key <= query and key < layout.prefix + length
                assert allow[b, query, key].item() == (key < layout.prefix or causal_text)


def test_attention_masks_broadcast_over_heads():
    layout = LAYOUTS[0]
    assert as_attention_mask(bidirectional(layout)).shape == (3, 1, 1, 8)
    assert as_attention_mask(seq2seq(layout)).shape == (3, 1, 8, 8)

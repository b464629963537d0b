import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.functional import scaled_dot_product_attention

import medvl
from medvl.models.masks.attention import SchemeMask, as_attention_mask, scheme_mask
from medvl.models.masks.layout import Layout
from medvl.models.masks.mixed import Mixed
from medvl.models.masks.schemes import NonCrossing, bar, bidirectional, seq2seq
from medvl.plugins import Plugins

LAYOUT = Layout(3, 5, torch.tensor([5, 2, 0]))
SCHEMES = [bidirectional, seq2seq, bar, NonCrossing()]

WINDOW = """
import medvl

@medvl.hookimpl
def medvl_register(registry):
    @registry.register_mask("window")
    def window(layout: medvl.Layout, *, reach: int = 2):
        return ((layout.query - layout.key).abs() <= reach) & layout.real
"""


def test_attention_masks_broadcast_over_heads():
    assert as_attention_mask(torch.ones(3, 8, dtype=torch.bool)).shape == (3, 1, 1, 8)
    assert as_attention_mask(SchemeMask(bidirectional, LAYOUT)).shape == (3, 1, 1, 8)
    assert as_attention_mask(SchemeMask(seq2seq, LAYOUT)).shape == (3, 1, 8, 8)
    assert as_attention_mask(SchemeMask(lambda layout: layout.key <= layout.query, LAYOUT)).shape == (1, 1, 8, 8)


@pytest.mark.parametrize(
    "scheme",
    [lambda layout: layout.key - layout.query, lambda layout: torch.ones(3, 7, dtype=torch.bool)],
    ids=["numbers", "shape"],
)
def test_what_is_no_mask_is_refused(scheme):
    with pytest.raises(medvl.ConfigError, match=r"'<lambda>' must return booleans .* \(3, 8, 8\)"):
        SchemeMask(scheme, LAYOUT).dense()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_blocks_attend_like_the_dense_mask(scheme):
    layout = Layout(40, 120, torch.tensor([120, 30, 1]))  # more than a block of 128
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 3, 2, 160, 16)
    mask = SchemeMask(scheme, layout)
    found = flex_attention(query, key, value, block_mask=mask.blocks())
    expected = scaled_dot_product_attention(query, key, value, attn_mask=as_attention_mask(mask))
    torch.testing.assert_close(found, expected)


def test_blocks_know_the_draws():
    layout = Layout(40, 120, torch.tensor([120, 30, 1]), torch.tensor([0.2, 0.9, 0.4]))
    mixed = Mixed(schemes={"a": seq2seq, "b": bidirectional}, probabilities={"a": 0.5, "b": 0.5})
    query, key, value = torch.randn(3, 3, 2, 160, 16)
    mask = SchemeMask(mixed, layout)
    found = flex_attention(query, key, value, block_mask=mask.blocks())
    expected = scaled_dot_product_attention(query, key, value, attn_mask=as_attention_mask(mask))
    torch.testing.assert_close(found, expected)


def test_numbers_are_drawn_in_training_by_schemes_that_choose():
    mixed = Mixed(schemes={"a": seq2seq, "b": bidirectional}, probabilities={"a": 0.5, "b": 0.5})
    torch.manual_seed(3)
    first = scheme_mask(mixed, LAYOUT, training=True).layout.draws
    torch.manual_seed(3)
    assert first is not None and torch.rand(3).equal(first)
    before = torch.get_rng_state()
    assert scheme_mask(mixed, LAYOUT, training=False).layout.draws is None
    assert scheme_mask(seq2seq, LAYOUT, training=True).layout.draws is None
    assert torch.get_rng_state().equal(before)


def test_an_outsider_adds_a_scheme_in_five_lines(tmp_path):
    (tmp_path / "window.py").write_text(WINDOW)
    entry = Plugins((str(tmp_path / "window.py"),)).get("mask", "window")
    allow = SchemeMask(entry.load(), LAYOUT).dense()
    at = torch.arange(8)
    assert allow[0].equal((at[:, None] - at).abs() <= 2)
    assert allow[2].equal(((at[:, None] - at).abs() <= 2) & (at < 3))

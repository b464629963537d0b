import pytest
import torch

from medvl.models.masks.attention import SchemeMask
from medvl.models.masks.layout import Layout
from medvl.models.masks.schemes import NonCrossing, bar, bidirectional, seq2seq
from tests.golden_fixtures import golden

LAYOUTS = [Layout(3, 5, torch.tensor([5, 2, 0])), Layout(1, 1, torch.tensor([1])), Layout(4, 0, torch.tensor([0, 0]))]


def allowed(scheme, layout):
    """(B, S, S), whatever the scheme left to broadcasting."""
    allow = SchemeMask(scheme, layout).dense()
    return allow.expand(len(layout.lengths), layout.size, layout.size)


def pairs(layout):
    """(sample, query, key, whether the key is real)."""
    for b, length in enumerate(layout.lengths.tolist()):
        for query in range(layout.size):
            for key in range(layout.size):
                yield b, query, key, key < layout.prefix + length


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bidirectional_allows_real_keys(layout):
    allow = allowed(bidirectional, layout)
    assert allow.dtype == torch.bool
    for b, query, key, real in pairs(layout):
        assert allow[b, query, key].item() == real


@pytest.mark.parametrize("layout", LAYOUTS)
def test_seq2seq_is_causal_over_text_and_open_over_the_prefix(layout):
    allow = allowed(seq2seq, layout)
    for b, query, key, real in pairs(layout):
        assert allow[b, query, key].item() == (key < layout.prefix or (key <= query and real))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bar_lets_the_prefix_see_all_that_is_real(layout):
    allow = allowed(bar, layout)
    for b, query, key, real in pairs(layout):
        assert allow[b, query, key].item() == (real and (query < layout.prefix or key < layout.prefix or key <= query))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_non_crossing_parts_see_themselves_alone(layout):
    allow = allowed(NonCrossing(), layout)
    for b, query, key, real in pairs(layout):
        same = (query < layout.prefix) == (key < layout.prefix)
        assert allow[b, query, key].item() == ((same and real) or query == key)
    assert allow.any(-1).all()  # nothing looks at nothing


@pytest.mark.parametrize("scheme", [bidirectional, seq2seq, bar, NonCrossing()])
def test_no_scheme_lets_real_rows_see_padding(scheme):
    layout = LAYOUTS[0]
    real = layout.real[:, 0]
    allow = allowed(scheme, layout)
    assert not (allow & real[:, :, None] & ~real[:, None, :]).any()


def cases():
    fixture = golden("medvill_masks_and_mlm")
    prefix = fixture.config["num_image_tokens"] + 2
    for case in sorted({name.split(".")[0] for name in fixture.part("out")}):
        tensors = {name.removeprefix(f"{case}."): t for name, t in fixture.part("out").items() if name.startswith(case)}
        lengths = (tensors["input_ids"] != fixture.config["pad"]).sum()[None]
        yield Layout(prefix, len(tensors["input_ids"]), lengths), tensors


def test_masks_are_those_of_the_authors():
    """Rows of padding differ: theirs see padding, and nothing reads what comes of it."""
    for layout, theirs in cases():
        real = layout.real[0, 0]
        for scheme, name in ((bidirectional, "mask_bi"), (seq2seq, "mask_s2s")):
            assert allowed(scheme, layout)[0][real].equal(theirs[name][real].bool()), name


def test_unclean_bar_is_the_authors_everywhere():
    for layout, theirs in cases():
        assert allowed(lambda layout: bar(layout, clean=False), layout)[0].equal(theirs["mask_bar"].bool())


def test_clean_bar_is_the_authors_without_padding():
    for layout, theirs in cases():
        real = layout.real[0, 0]
        assert allowed(bar, layout)[0].equal(theirs["mask_bar"].bool() & real)


def test_non_crossing_is_the_authors_where_both_are_real():
    """Their mask of two blocks, which is one short of their own sequence, is ours of the shorter text."""
    for layout, theirs in cases():
        real = layout.real[0, 0]
        assert allowed(NonCrossing(), layout)[0][real][:, real].equal(theirs["mask_noncross"].bool()[real][:, real])

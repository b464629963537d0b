import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.random import SampleRandom
from medvl.data.word_masking import draw_tokens, draw_words, mask_tokens, mask_whole_words
from tests.golden_fixtures import golden

PAD, UNK, CLS, SEP, HIDE = range(5)
VOCABULARY = 30
CONTINUES = torch.arange(VOCABULARY) % 3 == 2
CONTINUES[: HIDE + 1] = False
SPECIAL = torch.arange(VOCABULARY) < 5
SPECIAL[[UNK, HIDE]] = False

texts = st.lists(st.lists(st.integers(5, VOCABULARY - 1), max_size=9), min_size=1, max_size=6)
seeds = st.integers(0, 10**6)


def batch(texts):
    rows = [[CLS, *text, SEP] for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])
    return ids, ids != PAD


def slow_whole_words(ids, draws, probability, length):
    """One text, word by word, as the paper's code goes."""
    found = list(ids)
    for place in range(1, min(len(ids), length - 1)):
        if ids[place] == PAD:
            break
        hidden = found[place - 1] == HIDE if CONTINUES[ids[place]] else draws[place] < probability
        if hidden:
            found[place] = HIDE
    return found


@settings(deadline=None)
@given(texts, seeds, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([None, 5, 100]))
def test_whole_words_are_those_of_a_loop(texts, seed, probability, length):
    ids, mask = batch(texts)
    draws = torch.rand(ids.shape, generator=torch.Generator().manual_seed(seed))
    found = mask_whole_words(ids, mask, draws, continues=CONTINUES, hide=HIDE, probability=probability, length=length)
    expected = [
        slow_whole_words(row, numbers, probability, length or ids.shape[1])
        for row, numbers in zip(ids.tolist(), draws.tolist(), strict=True)
    ]
    assert found.ids.tolist() == expected
    assert found.hidden.equal(found.ids != ids)


def test_whole_words_are_those_of_the_authors():
    """Their draws come from a list, one a word; ours stand at the word's place."""
    fixture = golden("mrm_report_masking")
    ids, continues = fixture.part("in")["ids"], fixture.part("in")["is_continuation"].bool()
    pad, hide = fixture.config["pad_token"], fixture.config["mask_token"]
    begins = (ids != pad) & ~continues[ids]
    begins[:, [0, -1]] = False
    draws = fixture.part("in")["draws"].gather(1, (begins.cumsum(1) - 1).clamp(min=0))
    probability = fixture.config["probability"]
    found = mask_whole_words(ids, ids != pad, draws, continues=continues, hide=hide, probability=probability)
    assert found.ids.equal(fixture.part("out")["masked_ids"])


def slow_tokens(ids, draws, replacements, at_least_one):
    """One text, token by token."""
    found, chosen = list(ids), [False] * len(ids)
    words = [place for place, number in enumerate(ids) if not SPECIAL[number]]
    for place in words:
        if draws[place] >= 0.15:
            continue
        chosen[place] = True
        kind = draws[place] / 0.15
        if kind < 0.8:
            found[place] = HIDE
        elif kind < 0.9:
            found[place] = replacements[place]
    if at_least_one and words and not any(chosen):
        found[words[0]], chosen[words[0]] = HIDE, True
    return found, chosen


@settings(deadline=None)
@given(texts, seeds, st.booleans())
def test_tokens_are_those_of_a_loop(texts, seed, at_least_one):
    ids, mask = batch(texts)
    random = torch.Generator().manual_seed(seed)
    draws = torch.rand(ids.shape, generator=random, dtype=torch.float64) * 0.4
    replacements = torch.randint(0, VOCABULARY, ids.shape, generator=random)
    found = mask_tokens(ids, mask, draws, replacements, special=SPECIAL, hide=HIDE, at_least_one=at_least_one)
    for row, numbers, others, got, hidden in zip(
        ids.tolist(), draws.tolist(), replacements.tolist(), found.ids.tolist(), found.hidden.tolist(), strict=True
    ):
        assert (got, hidden) == slow_tokens(row, numbers, others, at_least_one)


def test_shares_are_those_of_bert():
    ids = torch.full((2000, 60), 7)
    ids[:, 0] = CLS
    draws, replacements = draw_tokens(SampleRandom(0, 0, np.arange(2000), "mlm"), 60, VOCABULARY)
    found = mask_tokens(
        ids, ids > 0, torch.from_numpy(draws), torch.from_numpy(replacements), special=SPECIAL, hide=HIDE
    )
    total = found.hidden.sum().item()
    assert not found.hidden[:, 0].any()
    assert total / (2000 * 59) == pytest.approx(0.15, abs=0.005)
    hidden, kept = (found.ids[found.hidden] == HIDE).sum() / total, (found.ids[found.hidden] == 7).sum() / total
    assert hidden.item() == pytest.approx(0.8 + 0.1 / VOCABULARY, abs=0.015)
    assert kept.item() == pytest.approx(0.1 + 0.1 / VOCABULARY, abs=0.015)


def test_a_text_loses_the_same_words_in_any_company():
    rows = np.array([4, 9, 2])
    together = SampleRandom(1, 3, rows, "mlm")
    for place, row in enumerate(rows):
        alone = SampleRandom(1, 3, np.array([row]), "mlm")
        np.testing.assert_array_equal(draw_words(alone, 5)[0], draw_words(together, 20)[place, :5])
        for few, many in zip(draw_tokens(alone, 5, 30), draw_tokens(together, 20, 30), strict=True):
            np.testing.assert_array_equal(few[0], many[place, :5])
    assert (draw_words(SampleRandom(1, 4, rows, "mlm"), 20) != draw_words(together, 20)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_devices_agree():
    ids, mask = batch([[7, 8, 9, 11, 6]] * 8)
    draws = torch.rand(ids.shape)
    one = mask_whole_words(ids, mask, draws, continues=CONTINUES, hide=HIDE)
    other = mask_whole_words(ids.cuda(), mask.cuda(), draws.cuda(), continues=CONTINUES.cuda(), hide=HIDE)
    assert other.ids.cpu().equal(one.ids)


def test_tokens_are_those_of_moon_s_code():
    """Theirs take replacements from a list, one where one is needed; ours stand at the token's place."""
    fixture = golden("medvill_masks_and_mlm")
    config, prefix = fixture.config, fixture.config["num_image_tokens"] + 2
    special = torch.zeros(config["vocab_size"], dtype=torch.bool)
    special[[config["pad"], config["cls"], config["sep"]]] = True
    cases = sorted({name.split(".")[0] for name in fixture.part("in")})
    assert cases
    for case in cases:
        words = fixture.tensors[f"in.{case}.token_ids"][: config["seq_len"]]
        ids = torch.cat([words, torch.tensor([config["sep"]])])[None]
        draws = torch.ones(1, len(words) + 1, dtype=torch.float64)
        draws[0, :-1] = fixture.tensors[f"in.{case}.draws"][: len(words)]
        replaced = (draws / 0.15 >= 0.8) & (draws / 0.15 < 0.9)
        others = torch.zeros_like(ids)
        others[replaced] = fixture.tensors[f"in.{case}.random_ids"][: int(replaced.sum())]
        found = mask_tokens(
            ids, torch.ones_like(ids, dtype=torch.bool), draws, others, special=special, hide=config["mask"],
            at_least_one=True,
        )  # fmt: skip
        theirs = fixture.tensors[f"out.{case}.input_ids"]
        assert found.ids[0].tolist() == theirs[: len(words) + 1].tolist()
        labels = fixture.tensors[f"out.{case}.labels"][prefix:][: len(words) + 1]
        assert torch.where(found.hidden[0], ids[0], -100).tolist() == labels.tolist()

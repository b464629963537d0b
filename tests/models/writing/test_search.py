import numpy as np
import pytest
import torch

from medvl.errors import ConfigError
from medvl.models.writing.beam import beam
from medvl.models.writing.search import Search
from medvl.models.writing.word_by_word import closing_up, greedy, nucleus
from tests.models.writing.tables import END, TableWriter, blank, text_of

MOST = 4


def one_by_one(writer, case):
    """The likeliest word at every step, as it is said."""
    text = ()
    while len(text) < MOST:
        word = int(writer.tables[case][text].argmax())
        if word == END:
            break
        text = (*text, word)
    return text


def test_greedy_takes_the_likeliest_word_at_every_step():
    writer = TableWriter(12)
    found = greedy(writer, blank(12, MOST), END)
    assert [text_of(row) for row in found] == [one_by_one(writer, case) for case in range(12)]
    assert len({len(text_of(row)) for row in found}) > 2


def test_finished_reports_leave_the_batch():
    writer = TableWriter(12)
    lengths = [len(text_of(row)) for row in greedy(writer, blank(12, MOST), END)]
    going = [sum(length >= place for length in lengths) for place in range(MOST)]
    assert writer.asked == [rows for rows in going if rows] and writer.asked[-1] < 12


def test_rows_that_can_stay_stay():
    going = torch.tensor([True, False, True, False, True, True])
    assert closing_up(going).tolist() == [0, 4, 2, 5]


@pytest.mark.parametrize("search", [greedy, lambda w, b, e: beam(w, b, e, width=3, length_penalty=0.7)])
def test_a_report_is_the_same_in_any_batch(search):
    together = search(TableWriter(6), blank(6, MOST), END)
    for case in range(6):
        assert search(TableWriter(1, cases=[case]), blank(1, MOST), END)[0].equal(together[case])


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_beam_of_one_is_greedy(penalty):
    found = beam(TableWriter(20), blank(20, MOST), END, width=1, length_penalty=penalty)
    assert found.equal(greedy(TableWriter(20), blank(20, MOST), END))


def exhausted(writer, case, penalty):
    """The best of all texts."""
    scored = {
        text: float(writer.score(case, text, MOST)) / min(len(text) + 1, MOST) ** penalty
        for text in writer.tables[case]
        if len(text) <= MOST
    }
    return max(scored, key=scored.__getitem__), scored


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all_texts(penalty):
    writer = TableWriter(10)
    found = beam(writer, blank(10, MOST), END, width=40, length_penalty=penalty)  # 31 texts and their ends
    assert [text_of(row) for row in found] == [exhausted(writer, case, penalty)[0] for case in range(10)]


def test_a_narrow_beam_is_mostly_better_than_greedy():
    writer = TableWriter(30)
    beams = beam(writer, blank(30, MOST), END, width=3, length_penalty=0.0)
    likeliest = greedy(TableWriter(30), blank(30, MOST), END)
    gains = []
    for case, (one, other) in enumerate(zip(beams, likeliest, strict=True)):
        scored = exhausted(writer, case, 0.0)[1]
        gains.append(scored[text_of(one)] - scored[text_of(other)])
    assert sum(gains) > 1  # log probabilities; not every time, for a beam can lose what would have become the best


def test_a_nucleus_of_the_likeliest_word_is_greedy():
    draws = torch.rand(20, MOST)
    found = nucleus(TableWriter(20), blank(20, MOST), END, draws, top_p=1e-6, temperature=1.0)
    assert found.equal(greedy(TableWriter(20), blank(20, MOST), END))


def test_a_nucleus_draws_in_proportion_and_nothing_else():
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])  # with 0.7, the first two

    class Fixed:
        def step(self, words):
            return shares.log().expand(20000, -1)

        def select(self, rows):
            pass

    draws = torch.rand(20000, 1, generator=torch.Generator().manual_seed(0))
    words = nucleus(Fixed(), torch.full((20000, 1), -1), -2, draws, top_p=0.7, temperature=1.0)[:, 0]
    counts = torch.bincount(words, minlength=4) / 20000
    torch.testing.assert_close(counts, torch.tensor([0.625, 0.375, 0, 0]), atol=0.02, rtol=0)
    edge = nucleus(Fixed(), torch.full((20000, 1), -1), -2, draws * 0 + (1 - 2**-24), top_p=0.7, temperature=1.0)
    assert edge.unique().tolist() == [1]


def test_draws_belong_to_a_case():
    search = Search("nucleus", top_p=0.95, seed=3)
    cases = np.array([7, 2, 5, 11])
    together = search.write(TableWriter(4, cases=cases.tolist()), blank(4, MOST), END, cases)
    alone = search.write(TableWriter(1, cases=[5]), blank(1, MOST), END, np.array([5]))
    assert alone[0].equal(together[2])
    other = Search("nucleus", top_p=0.95, seed=4).write(
        TableWriter(4, cases=cases.tolist()), blank(4, MOST), END, cases
    )
    assert not other.equal(together)


def test_settings_out_of_range_are_named_all_at_once():
    with pytest.raises(ConfigError) as caught:
        Search("beam", width=0, length_penalty=-1, top_p=0, temperature=0)
    assert len(caught.value.problems) == 4

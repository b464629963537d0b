import re

import pytest
import torch

import medvl
from medvl.models.masks.layout import Layout
from medvl.models.masks.mixed import Mixed
from medvl.models.masks.schemes import bar, bidirectional, seq2seq

LAYOUT = Layout(2, 3, torch.tensor([3, 1, 2]), torch.tensor([0.1, 0.6, 0.95]))
SCHEMES = {"causal": seq2seq, "full": bidirectional, "bar": bar}
SHARES = {"causal": 0.5, "full": 0.25, "bar": 0.25}


def test_each_sample_has_a_scheme_of_its_own():
    allow = Mixed(schemes=SCHEMES, probabilities=SHARES)(LAYOUT)
    for sample, scheme in enumerate((seq2seq, bidirectional, bar)):
        assert allow[sample].equal(scheme(LAYOUT).expand(3, 5, 5)[sample])


def test_a_batch_may_have_one_scheme():
    mixed = Mixed(schemes=SCHEMES, probabilities=SHARES, per="batch")
    assert mixed(LAYOUT).equal(seq2seq(LAYOUT))
    assert mixed(Layout(2, 3, LAYOUT.lengths, LAYOUT.draws.flip(0))).equal(bar(LAYOUT))


def test_shares_are_the_probabilities():
    torch.manual_seed(0)
    lengths = torch.full((4000,), 3)
    layout = Layout(2, 3, lengths, torch.rand(4000))
    allow = Mixed(
        schemes={"s2s": seq2seq, "bi": bidirectional}, probabilities={"s2s": 0.75, "bi": 0.25}
    )(layout)  # fmt: skip
    assert allow[:, 0, 4].float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_evaluation_takes_the_most_probable():
    layout = Layout(2, 3, LAYOUT.lengths)
    for probabilities, scheme in ((SHARES, seq2seq), ({"causal": 0.1, "full": 0.2, "bar": 0.7}, bar)):
        assert Mixed(schemes=SCHEMES, probabilities=probabilities)(layout).equal(scheme(layout))


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        ({"causal": 0.5, "full": 0.25, "baar": 0.25}, "no scheme is called 'baar'. did you mean 'bar'?"),
        ({"causal": 0.5, "full": 0.5}, "that of bar is missing"),
        ({"causal": 0.5, "full": 0.5, "bar": 0.5}, "these add up to 1.5"),
        ({"causal": 1.5, "full": -0.5, "bar": 0.0}, "must be at least 0"),
    ],
)
def test_wrong_probabilities_are_refused(probabilities, said):
    with pytest.raises(medvl.ConfigError, match=re.escape(said)):
        Mixed(schemes=SCHEMES, probabilities=probabilities)


def test_one_scheme_is_no_mixture():
    with pytest.raises(medvl.ConfigError, match="at least two"):
        Mixed(schemes={"a": seq2seq}, probabilities={"a": 1.0})

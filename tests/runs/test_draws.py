"""Kept draws: written and read, told apart, and subtracted."""

import numpy as np
import pytest

from medvl import Cases, DataError, DataSpec
from medvl.evaluate.perplexity import Perplexity
from medvl.runs.draws import read_draws, write_draws
from medvl.runs.folder import draws_file
from medvl.runs.kept_comparison import compare_draws, metrics_asked
from medvl.runs.subject import decimals

SIZE = 40
TOKENS = np.random.default_rng(8).integers(3, 30, SIZE)


@pytest.fixture
def kept(tmp_path):
    """The draws of a stage that was judged by its perplexity, read again."""

    def make(name, shift=0.0, keys=None, place=0, **parameters):
        evaluator = Perplexity(DataSpec(), **{"replicates": 100} | parameters)
        likelihood = TOKENS * (np.random.default_rng(1).uniform(-3, -1, SIZE) + shift)
        cases = Cases(np.arange(SIZE), np.arange(SIZE) // 2, {}, {"log_likelihood": likelihood, "tokens": TOKENS})
        keys = keys or [f"image{row}" for row in range(SIZE)]
        folder = tmp_path / name
        write_draws(folder / draws_file(f"perplexity-{place}"), place, evaluator, evaluator.evaluate(cases), keys)
        return read_draws(folder)

    return make


def test_read_as_they_were_written(kept):
    (found,) = kept("a")
    assert found.split == "test" and found.falling == {"perplexity"}
    assert found.values["perplexity"].dtype == np.float32 and found.sample == "100 draws of 20 patients"
    assert found.points["perplexity"] == pytest.approx(np.median(found.values["perplexity"]), rel=0.1)
    assert kept("none", replicates=0) == []
    assert [each.drawn["seed"] for each in (kept("a", place=1, seed=4))] == [0, 4]


def test_a_model_that_is_always_better_by_as_much_has_no_spread(kept):
    """Every token twice as likely halves the perplexity in every draw."""
    (better,), (plain,) = kept("better", np.log(2)), kept("plain")
    ratio = better.values["perplexity"] / plain.values["perplexity"]
    assert ratio == pytest.approx(np.full(100, 0.5), rel=1e-5)
    same = compare_draws(plain, plain, ["perplexity"]).metrics["perplexity"].difference
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    shifted = compare_draws(moved(plain, 2.0), plain, ["perplexity"]).metrics["perplexity"].difference
    assert (shifted.low, shifted.high) == pytest.approx((2, 2), abs=1e-5)
    found = compare_draws(better, plain, ["perplexity"])
    assert found.units == 20 and found.metrics["perplexity"].difference.high < 0
    assert found.metrics["perplexity"].difference.p == pytest.approx(2 / 101)


def moved(draws, by):
    values = {name: each + np.float32(by) for name, each in draws.values.items()}
    return type(draws)(**vars(draws) | {"values": values, "points": {name: p + by for name, p in draws.points.items()}})


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"seed": 1}, r"seed \(1 and 0\)"),
        ({"replicates": 50}, r"replicates \(50 and 100\)"),
        ({"unit": "case"}, r"unit \(case and patient\), units \(40 and 20\)"),
        ({"keys": [f"image{row}" for row in reversed(range(SIZE))]}, r"images \(#\w{12} and #\w{12}\)\."),
    ],
)
def test_other_draws_are_refused(kept, parameters, told):
    (a,), (b,) = kept("a", **parameters), kept("b")
    with pytest.raises(DataError, match=told):
        compare_draws(a, b, ["perplexity"])


def test_a_name_asks_for_a_metric_its_parts_or_a_family(kept):
    (plain,) = kept("a")
    names = ("dice", "dice/Lung", "dice_of_means", "bleu_1", "bleu_4")
    many = type(plain)(**vars(plain) | {"points": dict.fromkeys(names, 0.5)})
    runs = {"a": [many], "b": [plain, many]}
    for asked, found in (("dice", ("dice", "dice/Lung")), ("bleu", ("bleu_1", "bleu_4")), ("bleu_4", ("bleu_4",))):
        assert metrics_asked(runs, asked) == (found, {"a": many, "b": many})
    with pytest.raises(DataError, match=r"unknown metric 'bleu_44'\. did you mean 'bleu_4'\?.*: dice, dice_of_means"):
        metrics_asked(runs, "bleu_44")
    with pytest.raises(DataError, match="unknown metric 'perplexity'"):
        metrics_asked(runs, "perplexity")


def test_a_damaged_file_is_named(kept, tmp_path):
    kept("a")
    path = tmp_path / "a" / draws_file("perplexity-0")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"perplexity-0\.npz' cannot be read"):
        read_draws(tmp_path / "a")


def test_large_numbers_have_fewer_decimals():
    assert [decimals(value) for value in (0.5, -9.9, 23.4, 812.0, 54321.0, np.nan)] == [3, 3, 2, 1, 0, 3]

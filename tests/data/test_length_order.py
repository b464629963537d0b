import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.length_order import LengthOrder
from medvl.data.order import EpochOrder


def make_order(count, batch, window, seed=0, lengths=None):
    if lengths is None:
        # as of reports: mean 59, median 50, 95 % up to 134, cut at 253
        lengths = np.minimum(np.random.default_rng(1).lognormal(np.log(50), 0.6, count).astype(int), 253)
    return LengthOrder(EpochOrder(count, seed), lambda cases: lengths[cases], batch=batch, window=window), lengths


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 40), st.integers(1, 9), st.integers(0, 5), st.data())
def test_an_epoch_visits_every_case_once_and_a_position_has_its_case_in_any_company(count, batch, window, epoch, data):
    order, _ = make_order(count, min(batch, count), window)
    visited = order.at(epoch, np.arange(count))
    assert visited.dtype == np.int64 and sorted(visited.tolist()) == list(range(count))
    asked = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=8)))
    afresh, _ = make_order(count, min(batch, count), window)
    np.testing.assert_array_equal(afresh.at(epoch, asked), visited[asked])


def test_cases_stay_in_their_windows_and_are_sorted_there():
    order, lengths = make_order(103, batch=5, window=4)
    before, after = order.order.at(3, np.arange(103)), order.at(3, np.arange(103))
    ends = [0, 20, 40, 60, 80, 100]
    for start, end in zip(ends, ends[1:], strict=False):
        assert set(before[start:end]) == set(after[start:end])
        batches = lengths[after[start:end]].reshape(4, 5)
        ranges = sorted((batch.min(), batch.max()) for batch in batches)
        assert all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:], strict=False))
    np.testing.assert_array_equal(before[100:], after[100:])  # what an epoch drops is as random as ever


def test_windows_are_of_equal_size():
    order, lengths = make_order(70, batch=10, window=4)
    before, after = order.order.at(0, np.arange(70)), order.at(0, np.arange(70))
    assert set(before[:30]) == set(after[:30]) and set(before[30:]) == set(after[30:])


def test_batches_do_not_come_by_length():
    order, lengths = make_order(20_000, batch=10, window=50)
    means = lengths[order.at(0, np.arange(20_000))].reshape(40, 50, 10).mean(2)
    ranks = means.argsort(1).argsort(1)
    assert abs(ranks.mean(0) - 24.5).max() < 5 * 14.4 / 40**0.5  # of each place in a window


@pytest.mark.parametrize("batch", [32, 256])
def test_nine_tokens_in_ten_are_of_use(batch):
    order, lengths = make_order(60_000, batch, window=50)
    useful = total = 0
    for step in range(len(lengths) // batch):
        here = lengths[order.at(0, np.arange(step * batch, (step + 1) * batch))]
        useful, total = useful + here.sum(), total + here.max() * batch
    assert useful / total > 0.9


def test_another_epoch_or_seed_is_another_order():
    positions = np.arange(1000)
    first = make_order(1000, 10, 20)[0].at(0, positions)
    assert (first == make_order(1000, 10, 20)[0].at(1, positions)).mean() < 0.02
    assert (first == make_order(1000, 10, 20, seed=1)[0].at(0, positions)).mean() < 0.02

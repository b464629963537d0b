import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.order import EpochOrder


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(0, 2**63), st.integers(0, 10**6))
def test_an_epoch_visits_every_case_once(count, seed, epoch):
    visited = EpochOrder(count, seed).at(epoch, np.arange(count))
    assert visited.dtype == np.int64
    assert sorted(visited.tolist()) == list(range(count))


@settings(deadline=None)
@given(st.integers(1, 10**12), st.data())
def test_a_position_has_its_case_in_any_company(count, data):
    positions = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=8)))
    order = EpochOrder(count, seed=1)
    together = order.at(2, positions)
    assert together.tolist() == [order.at(2, np.array([position]))[0] for position in positions]
    assert together.min() >= 0 and together.max() < count


@pytest.mark.parametrize("count", [3, 4, 5])
def test_all_permutations_come_up_equally_often(count):
    rounds = 6000
    seen: dict[tuple[int, ...], int] = {}
    order = EpochOrder(count, seed=5)
    for epoch in range(rounds):
        permutation = tuple(order.at(epoch, np.arange(count)).tolist())
        seen[permutation] = seen.get(permutation, 0) + 1
    possible = math.factorial(count)
    assert len(seen) == possible
    chi_square = sum((times - rounds / possible) ** 2 for times in seen.values()) / (rounds / possible)
    freedom = possible - 1
    assert chi_square < freedom + 6 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("count", [64, 100])
def test_every_case_stands_at_every_position_equally_often(count):
    epochs = 5000
    order = EpochOrder(count, seed=0)
    table = np.zeros((count, count))
    for epoch in range(epochs):
        table[np.arange(count), order.at(epoch, np.arange(count))] += 1
    chi_square = ((table - epochs / count) ** 2).sum() / (epochs / count)
    freedom = (count - 1) ** 2
    assert chi_square < freedom + 6 * (2 * freedom) ** 0.5


def test_neighbours_in_the_table_are_not_neighbours_in_the_epoch():
    visited = EpochOrder(50_000, seed=0).at(0, np.arange(50_000))
    assert abs(np.corrcoef(visited[:-1], visited[1:])[0, 1]) < 5 / 50_000**0.5
    assert np.count_nonzero(np.abs(np.diff(visited)) == 1) < 15  # two are expected


def test_another_seed_or_epoch_is_another_order():
    positions = np.arange(1000)
    first = EpochOrder(1000, seed=0).at(0, positions)
    assert np.count_nonzero(first == EpochOrder(1000, seed=1).at(0, positions)) < 12
    assert np.count_nonzero(first == EpochOrder(1000, seed=0).at(1, positions)) < 12


@pytest.mark.parametrize("position", [-1, 10])
def test_a_position_outside_the_epoch_is_an_error(position):
    with pytest.raises(IndexError, match="0 to 9"):
        EpochOrder(10, seed=0).at(0, np.array([position]))


def test_an_order_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one case"):
        EpochOrder(0, seed=0)

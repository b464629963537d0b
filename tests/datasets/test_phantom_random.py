"""Counter-based randomness: reproducible, independent of company, evenly spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medvl.datasets.phantom.random import Draws, keys


@given(seed=st.integers(-(2**63), 2**63 - 1), number=st.integers(0, 10**9))
def test_a_draw_does_not_depend_on_its_company(seed: int, number: int) -> None:
    alone = Draws(keys(seed, [number]))
    among = Draws(keys(seed, [7, number, number + 1]))
    assert alone.uniform("x")[0] == among.uniform("x")[1]
    assert 0 <= alone.uniform("x")[0] < 1
    assert np.isfinite(alone.normal("y")[0])


def test_draws_are_spread_as_they_should_be() -> None:
    draws = Draws(keys(0, np.arange(20000)))
    assert np.histogram(draws.uniform("u"), 10, (0, 1))[0] == pytest.approx(np.full(10, 2000), abs=200)
    normal = draws.normal("n", 3, 2)
    assert (normal.mean(), normal.std()) == pytest.approx((3, 2), abs=0.05)
    assert draws.chance("c", 0.3).mean() == pytest.approx(0.3, abs=0.02)
    assert np.bincount(draws.choice("w", (0.2, 0.5, 0.3))) / 20000 == pytest.approx([0.2, 0.5, 0.3], abs=0.02)


def test_purposes_seeds_and_neighbours_are_unrelated() -> None:
    draws = Draws(keys(0, np.arange(20000)))
    others = [draws.uniform("b"), Draws(keys(1, np.arange(20000))).uniform("a"), np.roll(draws.uniform("a"), 1)]
    for other in others:
        assert abs(np.corrcoef(draws.uniform("a"), other)[0, 1]) < 0.03

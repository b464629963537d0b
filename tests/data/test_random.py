import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.random import SampleRandom, mix64

MANY = np.arange(20_000)


def draws(seed=0, epoch=0, indices=MANY, stream="image", name="angle"):
    return SampleRandom(seed, epoch, indices, stream).uniform(name, 0, 1)


def test_mix64_gives_the_published_sequence_of_splitmix64():
    steps = np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1234567)
    assert mix64(steps).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_uniform_fills_its_range_evenly():
    values = SampleRandom(3, 1, MANY, "image").uniform("angle", -10, 10)
    assert values.dtype == np.float32
    assert -10 <= values.min() < -9.9 and 9.9 < values.max() <= 10
    # five standard errors of a uniform mean and variance
    assert abs(values.mean()) < 5 * (20 / 12**0.5) / len(MANY) ** 0.5
    assert abs(values.var() / (400 / 12) - 1) < 5 * (0.8 / len(MANY)) ** 0.5


@pytest.mark.parametrize("indices", [MANY, MANY * 4096, MANY[::-1] + 10**12], ids=["near", "strided", "large"])
def test_uniform_passes_chi_square_over_64_bins(indices):
    counts = np.bincount((draws(indices=indices) * 64).astype(int), minlength=64)
    expected = len(MANY) / 64
    assert ((counts - expected) ** 2 / expected).sum() < 130  # 63 degrees of freedom: p = 1e-6


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"epoch": 1}, {"stream": "key"}, {"name": "flip"}, {"indices": MANY + 1}, {"indices": MANY + 2**32}],
    ids=["seed", "epoch", "stream", "name", "neighbour", "far"],
)
def test_numbers_are_independent_of_those_of_another(other):
    joint, _, _ = np.histogram2d(draws(), draws(**other), bins=8, range=[[0, 1], [0, 1]])
    expected = len(MANY) / 64
    assert ((joint - expected) ** 2 / expected).sum() < 130


def test_flip_has_its_probability():
    random = SampleRandom(0, 0, MANY, "image")
    assert abs(random.flip("flip", 0.3).mean() - 0.3) < 5 * (0.21 / len(MANY)) ** 0.5
    assert random.flip("flip", 1.0).all() and not random.flip("flip", 0.0).any()


def test_integers_hit_every_value_evenly():
    counts = np.bincount(SampleRandom(0, 0, MANY, "image").integers("left", 33))
    expected = len(MANY) / 33
    assert len(counts) == 33
    assert ((counts - expected) ** 2 / expected).sum() < 85  # 32 degrees of freedom: p = 1e-6


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20), st.integers(0, 2**63), st.integers(0, 10**6))
def test_a_sample_has_its_numbers_in_any_company(indices, seed, epoch):
    together = draws(seed, epoch, np.array(indices))
    alone = [draws(seed, epoch, np.array([index]))[0] for index in indices]
    assert together.tolist() == alone

"""Holm's correction, the t distribution, means over seeds and MedViLL's test, against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from medvl import DataError
from medvl.evaluate.holm import holm
from medvl.evaluate.medvill_significance import medvill_t_test
from medvl.evaluate.seeds import over_seeds
from medvl.evaluate.student import two_sided_p, two_sided_quantile


def test_holm_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.5, 0.9])), [1.0, 1.0])


def test_holm_counts_no_undefined_finding():
    np.testing.assert_allclose(holm(np.array([np.nan, 0.02, 0.03])), [np.nan, 0.04, 0.04])
    assert len(holm(np.array([]))) == 0


@pytest.mark.parametrize("freedom", [1, 2, 4, 29, 58, 998, 10**5])
def test_student_equals_scipy(freedom):
    for t in (0.0, 1e-3, 0.3, 1.0, 2.5, 7.0, 40.0):
        assert two_sided_p(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-8, abs=1e-300)
        assert two_sided_p(-t, freedom) == two_sided_p(t, freedom)
    for confidence in (0.5, 0.9, 0.95, 0.999):
        expected = stats.t.ppf((1 + confidence) / 2, freedom)
        assert two_sided_quantile(confidence, freedom) == pytest.approx(expected, rel=1e-8)


def test_mean_over_seeds_equals_scipys_interval():
    values = [0.81, 0.84, 0.79, 0.83, 0.82]
    found = over_seeds(values)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx((low, high))
    assert str(found) == "0.818 ± 0.024 (5 seeds)"
    assert str(over_seeds([0.5])) == "0.500 (1 seed)"
    for none in ([], [0.5, math.nan]):
        with pytest.raises(DataError, match="averaged over seeds"):
            over_seeds(none)


def test_medvills_test_equals_scipy_and_shrinks_with_the_replicates():
    random = np.random.default_rng(0)
    a, b = random.normal([[0.002], [0.001]], 0.01, (2, 3000))
    for count in (2, 30, 3000):
        assert medvill_t_test(a[:count], b[:count]) == pytest.approx(stats.ttest_ind(a[:count], b[:count]).pvalue)
    same_distribution = [np.resize(values, 100 * len(values)) for values in (a[:30], b[:30])]
    assert medvill_t_test(*same_distribution) < 1e-3 * medvill_t_test(a[:30], b[:30])
    assert medvill_t_test(a, a) == 1.0
    assert math.isnan(medvill_t_test(a[:1], b))
    assert medvill_t_test(np.ones(3), np.zeros(3)) == 0.0

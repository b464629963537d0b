"""Means over seeds beside a paper's number."""

import math

import pytest

from medvl.runs.verdict import Summary, Value

THREE = [Value("done", value) for value in (0.70, 0.72, 0.74)]  # 0.72 ± 4.303 * 0.02 / sqrt(3) = 0.0497
ONE = [Value("done", 0.72, (0.68, 0.77))]
UNDEFINED, FAILED, MISSING = Value("done"), Value("failed", why="no"), Value("not run")


def test_over_seeds_and_of_one():
    three = Summary.of(THREE)
    assert str(three) == "0.720 ± 0.050" and (three.runs, three.done, three.defined) == (3, 3, 3)
    assert three.high - three.mean == pytest.approx(4.302653 * 0.02 / math.sqrt(3), rel=1e-6)
    assert str(Summary.of(ONE)) == "0.720 (0.68-0.77)" and str(Summary.of([Value("done", 0.5)])) == "0.500"


@pytest.mark.parametrize(
    ("values", "paper", "verdict"),
    [
        (THREE, 0.73, "reproduced"),
        (THREE, 0.71, "reproduced"),
        (THREE, 0.731, "inside"),
        (THREE, 0.768, "inside"),
        (THREE, 0.78, "off"),
        (THREE, 0.66, "off"),
        (ONE, 0.765, "inside"),
        (ONE, 0.775, "off"),
        ([Value("done", 0.5)], 0.52, "off"),
        (THREE, None, ""),
        ([UNDEFINED], 0.7, ""),
        ([*THREE, FAILED, MISSING], 0.72, "failed"),
        ([*THREE, MISSING], None, "not run"),
    ],
)
def test_verdicts(values, paper, verdict):
    assert Summary.of(values).verdict(paper, 0.01) == verdict


def test_a_smoke_run_says_nothing_about_a_paper():
    assert Summary.of(THREE).verdict(0.72, 0.01, smoke=True) == "smoke only"
    assert Summary.of([FAILED]).verdict(0.72, 0.01, smoke=True) == "failed"


def test_undefined_values_are_counted_and_not_averaged_in():
    summary = Summary.of([*THREE, UNDEFINED])
    assert summary.mean == pytest.approx(0.72) and (summary.done, summary.defined) == (4, 3)
    assert str(Summary.of([UNDEFINED, UNDEFINED])) == "–"

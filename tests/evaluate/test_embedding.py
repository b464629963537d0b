"""How far apart data sets are, and where t-SNE puts their cases."""

import numpy as np
import pytest

from medvl.errors import DataError
from medvl.evaluate.embedding import Embedded, apartness, tsne


def embedded(name: str, shift: float, number: int = 60, patients: int = 30) -> Embedded:
    random = np.random.default_rng(len(name))
    vectors = random.standard_normal((number, 12)).astype(np.float32)
    vectors[:, 0] += shift
    keys = np.array([f"{name}{place}" for place in range(number)])
    people = np.array([f"{place % patients}" for place in range(number)])
    return Embedded(name, vectors, keys, people, ("a",), (vectors[:, 1:2] > 0).astype(np.float32))


def test_sets_of_one_law_are_not_told_apart_and_shifted_ones_are() -> None:
    near = apartness([embedded("x", 0), embedded("yy", 0)], seed=0)
    far = apartness([embedded("x", 0), embedded("yy", 8)], seed=0)
    assert near is not None and 0.3 < near.auroc < 0.7 and abs(near.silhouette) < 0.05
    assert far is not None and far.auroc > 0.99 and far.silhouette > 0.4


def test_of_several_sets_it_is_the_mean_over_pairs() -> None:
    sets = [embedded("x", 0), embedded("yy", 8), embedded("zzz", 8)]
    pairs = [apartness([sets[a], sets[b]], seed=0) for a, b in ((0, 1), (0, 2), (1, 2))]
    found = apartness(sets, seed=0)
    assert found is not None
    assert found.auroc == pytest.approx(np.mean([pair.auroc for pair in pairs if pair is not None]))


def test_one_set_has_nothing_to_be_apart_from() -> None:
    assert apartness([embedded("x", 0)], seed=0) is None


def test_repeated_images_of_a_patient_do_not_leak_between_folds() -> None:
    """Patients that differ, sets that do not: a classifier that saw a patient's other image would know the set."""
    random = np.random.default_rng(0)
    sets = []
    for name in ("x", "yy"):
        vectors = np.repeat(4 * random.standard_normal((20, 40)), 5, axis=0).astype(np.float32)
        people = np.repeat(np.arange(20), 5).astype(str)
        sets.append(Embedded(name, vectors, people, people, (), np.zeros((100, 0), np.float32)))
    found = apartness(sets, seed=0)
    assert found is not None and found.auroc < 0.75


def test_tsne_keeps_neighbourhoods_and_repeats() -> None:
    sets = [embedded("x", 0, 40), embedded("yy", 12, 40)]
    points = tsne(sets, seed=3)
    assert points.shape == (80, 2)
    np.testing.assert_array_equal(points, tsne(sets, seed=3))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + np.diag(np.full(80, np.inf))
    assert ((distances.argmin(1) < 40) == (np.arange(80) < 40)).mean() > 0.95


def test_too_few_cases_are_refused() -> None:
    with pytest.raises(DataError, match="4 cases are too few"):
        tsne([embedded("x", 0, 4)], seed=0)
    with pytest.raises(DataError, match="'yy' is of one patient"):
        apartness([embedded("x", 0), embedded("yy", 0, patients=1)], seed=0)


def test_a_finding_that_a_set_does_not_have_is_unknown() -> None:
    assert np.isnan(embedded("x", 0).finding("b")).all()

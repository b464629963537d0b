"""Weighted AUROC against scikit-learn and against a loop over pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medvl.evaluate.auroc import BIN, RankedScores, auroc, weighted_auroc
from tests.golden_fixtures import golden


def over_pairs(labels, scores, weights):
    """The definition: the weight of pairs in which the positive scores higher, ties one half."""
    won = total = 0.0
    for i in np.flatnonzero(labels):
        for j in np.flatnonzero(~labels):
            pair = float(weights[i]) * float(weights[j])
            total += pair
            won += pair * ((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]))
    return won / total if total else np.nan


cases = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.lists(st.sampled_from([-1.5, 0.0, 0.25, 3.0]), min_size=n, max_size=n),
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
    )
)


@settings(max_examples=150, deadline=None)
@given(cases)
def test_equals_the_definition_on_small_tied_cases(drawn):
    labels, scores, weights = (np.array(part) for part in drawn)
    expected = over_pairs(labels, scores, weights)
    np.testing.assert_allclose(
        weighted_auroc(labels, scores, weights[:, None].astype(np.uint8)), [expected], atol=1e-12
    )
    np.testing.assert_allclose(auroc(labels, scores), over_pairs(labels, scores, np.ones(len(labels))), atol=1e-12)


@pytest.mark.parametrize("distinct", [1, 2, 7, 300, None], ids=lambda d: f"{d or 'all'}_distinct")
@pytest.mark.parametrize("prevalence", [0.02, 0.5, 0.95])
def test_equals_scikit_learn_over_many_bins(distinct, prevalence):
    random = np.random.default_rng(1)
    size = 9 * BIN + 17
    labels = random.random(size) < prevalence
    scores = random.normal(size=size) + labels
    if distinct:
        scores = np.digitize(scores, np.quantile(scores, np.linspace(0, 1, distinct + 1)[1:-1])).astype(float)
    weights = random.integers(0, 5, (size, 6)).astype(np.uint8)
    expected = [roc_auc_score(labels, scores, sample_weight=column) for column in weights.T]
    np.testing.assert_allclose(weighted_auroc(labels, scores, weights), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(auroc(labels, scores), roc_auc_score(labels, scores), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["large_integers", "fractions"])
def test_weights_beyond_small_integers_stay_accurate(kind):
    random = np.random.default_rng(2)
    size = 3 * BIN
    labels = random.random(size) < 0.4
    scores = random.normal(size=size)
    weights = random.integers(0, 60_000, (size, 3)) if kind == "large_integers" else random.random((size, 3))
    expected = [roc_auc_score(labels, scores, sample_weight=column) for column in weights.T]
    np.testing.assert_allclose(weighted_auroc(labels, scores, weights), expected, rtol=0, atol=1e-12)


def test_a_long_tie_between_short_ones():
    random = np.random.default_rng(3)
    scores = np.concatenate([random.normal(size=40), np.full(5 * BIN, 0.1), random.normal(size=BIN)])
    labels = random.random(len(scores)) < 0.3
    weights = random.integers(0, 4, (len(scores), 4)).astype(np.uint8)
    expected = [roc_auc_score(labels, scores, sample_weight=column) for column in weights.T]
    np.testing.assert_allclose(weighted_auroc(labels, scores, weights), expected, rtol=0, atol=1e-12)


def test_undefined_without_one_side_or_its_weight():
    scores = np.array([0.1, 0.2, 0.3])
    assert np.isnan(auroc(np.array([True, True, True]), scores))
    assert np.isnan(auroc(np.array([], bool), np.array([])))
    weights = np.array([[0, 1], [1, 1], [1, 1]], np.uint8)
    values = weighted_auroc(np.array([True, False, False]), scores, weights)
    assert np.isnan(values[0]) and values[1] == 0.0


def test_several_scores_of_a_case_share_its_weight():
    random = np.random.default_rng(4)
    labels, scores = random.random((50, 3)) < 0.5, random.normal(size=(50, 3))
    weights = random.integers(0, 3, (50, 5)).astype(np.uint8)
    pooled = RankedScores(labels.ravel(), scores.ravel(), np.repeat(np.arange(50), 3)).auroc(weights)
    np.testing.assert_array_equal(pooled, weighted_auroc(labels.ravel(), scores.ravel(), np.repeat(weights, 3, axis=0)))


@pytest.mark.parametrize("stem", ["moco_cxr_bootstrap"])
def test_golden_replicates(stem):
    fixture = golden(stem)
    inputs, outputs = fixture.part("in"), fixture.part("out")
    labels, ids = inputs["labels"].numpy() == 1, inputs["sample_ids"].numpy()
    size = len(labels)
    a, b = inputs["scores_a"].numpy(), inputs["scores_b"].numpy()

    def replicates(scores, ids):  # (classes, replicates)
        weights = np.stack([np.bincount(row, minlength=size) for row in ids], axis=1)
        return np.stack([weighted_auroc(labels[:, k], scores[:, k], weights) for k in range(labels.shape[1])], axis=1)

    tolerance = {"rtol": 0, "atol": fixture.meta["suggested_tolerance"]["replicates"]}
    np.testing.assert_allclose(replicates(a[0], ids[0::2]), outputs["single_replicates"].numpy(), **tolerance)
    mean = np.mean([replicates(scores, ids[1::2]) for scores in a], axis=0)
    np.testing.assert_allclose(mean, outputs["mean_replicates"].numpy(), **tolerance)
    draws = inputs["diff_sample_ids"].numpy()
    difference = np.mean([replicates(x, draws) - replicates(y, draws) for x, y in zip(a, b, strict=True)], axis=0)
    np.testing.assert_allclose(difference, outputs["diff_replicates"].numpy(), **tolerance)

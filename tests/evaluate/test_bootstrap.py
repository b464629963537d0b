"""Replicates, intervals and paired differences."""

import math

import numpy as np
import pytest

from medvl.evaluate import bootstrap
from medvl.evaluate.auroc import RankedScores
from medvl.evaluate.bootstrap import clusters, mean_defined, paired_difference, percentile_interval, replicate_weights
from tests.golden_fixtures import golden


def all_weights(codes, replicates, seed=0):
    return np.concatenate(list(replicate_weights(codes, replicates, seed)), axis=1)


def test_each_replicate_draws_as_many_clusters_as_there_are():
    codes = np.array([0, 0, 1, 2, 2, 2, 3])
    weights = all_weights(codes, 50).astype(int)
    assert weights.shape == (7, 50)
    first_of_cluster = [0, 2, 3, 6]
    assert (weights[first_of_cluster].sum(axis=0) == 4).all()
    assert (weights[0] == weights[1]).all() and (weights[3] == weights[5]).all()


def test_counts_are_multinomial():
    weights = all_weights(np.arange(40), 3000).astype(float)
    assert weights.mean(axis=1) == pytest.approx(1.0, abs=0.1)
    assert weights.var() == pytest.approx(1 - 1 / 40, abs=0.03)
    covariance = np.cov(weights)[np.triu_indices(40, 1)].mean()
    assert covariance == pytest.approx(-1 / 40, abs=0.005)


def test_a_replicate_depends_on_its_seed_and_number_alone(monkeypatch):
    codes = np.arange(1000)
    whole = all_weights(codes, 200)
    monkeypatch.setattr(bootstrap, "BLOCK_BYTES", 100 * 1000)
    blocks = list(replicate_weights(codes, 300, 0))
    assert [block.shape[1] for block in blocks] == [100, 100, 100]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1)[:, :200], whole)
    assert (all_weights(codes, 200, seed=1) != whole).any()


def test_clusters_are_consecutive_codes():
    assert clusters(np.array([70, 5, 70, 9]), "patient").tolist() == [2, 0, 2, 1]
    assert clusters(np.array([70, 5, 70, 9]), "case").tolist() == [0, 1, 2, 3]


def test_percentile_interval_leaves_out_undefined_replicates():
    values = np.concatenate([np.arange(101.0), [np.nan] * 30])
    assert percentile_interval(values, 0.9) == pytest.approx((5.0, 95.0))
    assert all(math.isnan(end) for end in percentile_interval(np.array([np.nan])))


@pytest.mark.parametrize("stem", ["moco_cxr_bootstrap"])
def test_golden_interval(stem):
    fixture = golden(stem)
    inputs, outputs = fixture.part("in"), fixture.part("out")
    level, tolerance = fixture.config["level"], fixture.meta["suggested_tolerance"]["ci"]
    for kind in ("single", "mean", "diff"):
        for values, (low, _, high) in zip(outputs[f"{kind}_replicates"].T.numpy(), outputs[f"{kind}_ci"], strict=True):
            expected = pytest.approx((float(low), float(high)), abs=tolerance * (1 + 1e-6))
            assert percentile_interval(values, level, rule="ranks") == expected
    for number, ranks in zip(inputs["ci_rule_counts"], outputs["ci_rule_lower_upper"], strict=True):
        assert percentile_interval(np.arange(float(number)), level, rule="ranks") == tuple(ranks.tolist())


def repeated(rows, cases):
    """(N, R) weights of replicates that are given as drawn rows (R, N)."""
    return np.stack([np.bincount(row, minlength=cases) for row in rows], axis=1).astype(np.uint8)


@pytest.mark.parametrize("stem", ["moco_cxr_bootstrap"])
def test_golden_replicates_and_centres(stem):
    """Replicates from the authors' own draws: one model, the mean over models, and the paired difference."""
    fixture = golden(stem)
    inputs = {name: tensor.numpy() for name, tensor in fixture.part("in").items()}
    outputs = {name: tensor.numpy() for name, tensor in fixture.part("out").items()}
    labels = inputs["labels"] == 1

    def aurocs(models, rows):
        weights = repeated(rows, len(labels))
        found = [
            [RankedScores(labels[:, k], one[:, k]).auroc(weights) for k in range(labels.shape[1])] for one in models
        ]
        return np.array(found).transpose(0, 2, 1)  # (M, R, K)

    a, b, rows, paired = (inputs[name] for name in ("scores_a", "scores_b", "sample_ids", "diff_sample_ids"))
    found = {
        "single": aurocs(a[:1], rows[::2])[0],
        "mean": aurocs(a, rows[1::2]).mean(axis=0),
        "diff": (aurocs(a, paired) - aurocs(b, paired)).mean(axis=0),
    }
    tolerance = fixture.meta["suggested_tolerance"]
    for kind, values in found.items():
        np.testing.assert_allclose(values, outputs[f"{kind}_replicates"], rtol=0, atol=tolerance["replicates"])
        for column, (low, centre, high) in zip(values.T, outputs[f"{kind}_ci"], strict=True):
            interval = percentile_interval(column, fixture.config["level"], rule="ranks")
            expected = pytest.approx((low, centre, high), abs=tolerance["ci"] * (1 + 1e-6))
            assert (interval[0], column.mean(), interval[1]) == expected


def test_interval_of_an_auroc_covers_the_truth():
    """Two unit normals one apart: AUROC = Phi(1 / sqrt 2). 95 % intervals of 120 samples must mostly hold it."""
    truth = 0.5 * (1 + math.erf(0.5))
    labels = np.arange(160) < 60
    covered = 0
    for trial in range(120):
        scores = np.random.default_rng([7, trial]).normal(size=160) + labels
        values = RankedScores(labels, scores).auroc(all_weights(np.arange(160), 200, seed=trial))
        low, high = percentile_interval(values)
        covered += low <= truth <= high
    assert (
        0.88 <= covered / 120 <= 0.99
    )  # 95 % +- about 3.5 standard deviations, less the percentile method's small bias


def test_clustered_cases_widen_the_interval():
    """Ten copies of each case hold no more than one: resampled by patient, the interval must not shrink."""
    random = np.random.default_rng(5)
    labels = np.arange(60) < 30
    scores = random.normal(size=60) + labels
    widths = {}
    for unit in ("patient", "case"):
        codes = clusters(np.repeat(np.arange(60), 10), unit)
        values = RankedScores(np.repeat(labels, 10), np.repeat(scores, 10)).auroc(all_weights(codes, 400))
        widths[unit] = np.subtract(*percentile_interval(values)[::-1])
    single = percentile_interval(RankedScores(labels, scores).auroc(all_weights(np.arange(60), 400)))
    assert widths["patient"] == pytest.approx(single[1] - single[0], rel=1e-9)
    assert widths["patient"] > 2 * widths["case"]


def models(strength):
    random = np.random.default_rng(6)
    labels = random.random(300) < 0.4
    shared = random.normal(size=300) + labels
    return labels, shared + strength * labels + 0.1 * random.normal(size=300), shared + 0.1 * random.normal(size=300)


def test_paired_difference_is_narrower_than_unpaired_and_finds_the_better_model():
    labels, a, b = models(strength=0.3)
    codes = np.arange(300)
    paired = paired_difference(lambda s: RankedScores(labels, s).auroc, a, b, codes=codes, replicates=400)
    assert paired.low < paired.difference < paired.high
    assert paired.low > 0 and paired.p == pytest.approx(2 / 401)
    of_a = RankedScores(labels, a).auroc(all_weights(codes, 400, seed=1))
    of_b = RankedScores(labels, b).auroc(all_weights(codes, 400, seed=2))
    low, high = percentile_interval(of_a - of_b)
    assert paired.high - paired.low < 0.5 * (high - low)


def test_paired_difference_of_equal_models_is_nothing():
    labels, a, _ = models(strength=0.0)
    same = paired_difference(lambda s: RankedScores(labels, s).auroc, a, a, codes=np.arange(300), replicates=50)
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_mean_defined():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    np.testing.assert_array_equal(mean_defined(values), [2.0, 5.0, np.nan])

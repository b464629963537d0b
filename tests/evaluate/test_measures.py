"""Every measure under weights against scikit-learn, torchmetrics and a slow transcription on repeated rows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, precision_score, recall_score
from torchmetrics.functional.classification import binary_calibration_error

from medvl import Cases, ConfigError, DataSpec
from medvl.evaluate.answers import Answers
from medvl.evaluate.auroc import BIN, RankedScores
from medvl.evaluate.measures import MEASURES, Judged, names
from medvl.evaluate.multilabel import Multilabel

NAMES = ("Edema", "Fracture", "Pneumonia")


def simulated(size=400, seed=0, unknown=0.2):
    random = np.random.default_rng(seed)
    labels = (random.random((size, 3)) < [0.1, 0.3, 0.8]).astype(np.float32)
    logits = (random.normal(size=labels.shape) + labels - 0.7).astype(np.float32)
    labels[random.random(labels.shape) < unknown] = np.nan
    rows = np.arange(size)
    return Cases(rows, rows // 2, {"labels": labels}, {"logits": logits})


def expected_calibration(labels, probabilities):
    """Guo et al. (2017), equation 3, with the probability of being positive, bin by bin."""
    error, place = 0.0, np.clip(np.floor(probabilities * 15), 0, 14)
    for number in range(15):
        inside = place == number
        if inside.any():
            error += inside.sum() * abs(labels[inside].mean() - probabilities[inside].mean())
    return error / len(labels)


REFERENCES = {
    "auprc": lambda y, p: average_precision_score(y, p),
    "precision": lambda y, p: precision_score(y, p > 0.5),
    "recall": lambda y, p: recall_score(y, p > 0.5),
    "accuracy": lambda y, p: accuracy_score(y, p > 0.5),
    "brier": lambda y, p: brier_score_loss(y, p),
    "calibration": expected_calibration,
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_reference_on_repeated_rows(name):
    given_cases = simulated()
    labels = given_cases.fields["labels"].astype(np.float64)
    probabilities = 1 / (1 + np.exp(-given_cases.outputs["logits"].astype(np.float64)))
    weights = np.random.default_rng(1).integers(0, 4, (len(labels), 5)).astype(np.uint8)
    found = Judged(Answers.of(given_cases, NAMES)).measure(name, weights)
    for r, column in enumerate(weights.T):
        rows = np.repeat(np.arange(len(labels)), column)
        known = ~np.isnan(labels[rows])
        pairs = [(labels[rows][known[:, k], k], probabilities[rows][known[:, k], k]) for k in range(3)]
        expected = [REFERENCES[name](*pair) for pair in pairs]
        np.testing.assert_allclose(found.each[:, r], expected, rtol=0, atol=1e-12)
        pooled = REFERENCES[name](labels[rows][known], probabilities[rows][known])
        assert found.micro[r] == pytest.approx(pooled, abs=1e-12)
        assert found.rows()[0, r] == pytest.approx(np.mean(expected), abs=1e-12)


def test_calibration_error_equals_torchmetrics():
    given_cases = simulated(unknown=0.0)
    found = Judged(Answers.of(given_cases, NAMES)).measure("calibration", np.ones((400, 1)))
    for k in range(3):
        probabilities = torch.from_numpy(given_cases.outputs["logits"][:, k]).sigmoid()
        labels = torch.from_numpy(given_cases.fields["labels"][:, k]).long()
        assert found.each[k, 0] == pytest.approx(binary_calibration_error(probabilities, labels, 15).item(), abs=1e-5)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([-1.5, 0.0, 0.25, 3.0]), st.integers(0, 3)), min_size=1, max_size=12
    )
)
def test_average_precision_of_small_tied_cases(drawn):
    labels, scores, weights = (np.array(part) for part in zip(*drawn, strict=True))
    repeated_labels, repeated_scores = np.repeat(labels, weights), np.repeat(scores, weights)
    expected = np.nan
    if 0 < repeated_labels.sum() < len(repeated_labels):
        expected = average_precision_score(repeated_labels, repeated_scores)
    found = RankedScores(labels, scores).average_precision(weights[:, None].astype(np.uint8))
    np.testing.assert_allclose(found, [expected], rtol=0, atol=1e-12)


@pytest.mark.parametrize("distinct", [2, 7, 300, 10**6])
def test_average_precision_over_many_bins(distinct):
    random = np.random.default_rng(1)
    labels = random.random(5 * BIN + 17) < 0.2
    scores = np.floor((random.normal(size=len(labels)) + labels) * distinct / 6)
    weights = random.integers(0, 5, (len(labels), 4)).astype(np.uint8)
    expected = [average_precision_score(labels, scores, sample_weight=column) for column in weights.T]
    found = RankedScores(labels, scores).average_precision(weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MEASURES)
def test_a_one_sided_finding_is_undefined_and_not_averaged_in(name):
    given_cases = simulated()
    given_cases.fields["labels"][:, 1] = 0
    weights = np.ones((400, 1), np.uint8)
    found = Judged(Answers.of(given_cases, NAMES)).measure(name, weights)
    assert np.isnan(found.each[:, 0]).tolist() == [False, True, False]
    assert found.rows()[0, 0] == pytest.approx(found.each[[0, 2], 0].mean())
    assert len(found.rows()) == len(names(name, NAMES))


def test_the_evaluator_measures_what_is_asked_for():
    asked = ("auprc", "brier", "f1")
    evaluator = Multilabel(DataSpec(labels=NAMES), metrics=asked, replicates=40)
    result = evaluator.evaluate(simulated())
    assert set(result.metrics) == set(result.intervals) == set(evaluator.metrics())
    assert {"auprc_macro", "brier_micro", "f1_macro_of_means", "auprc/Edema"} < set(result.metrics)
    assert not any(name.startswith("auroc") for name in result.metrics)
    assert evaluator.table(result)[0] == ["finding", "AUPRC", "Brier score", "F1", "positives"]
    with pytest.raises(ConfigError, match="each once"):
        Multilabel(DataSpec(labels=NAMES), metrics=("f1", "f1"))

"""Clinical efficacy against the authors' numbers, scikit-learn and a slow transcription."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import f1_score

from medvl import DataError
from medvl.evaluate.clinical_efficacy import clinical_efficacy
from tests.golden_fixtures import golden

CODES = st.sampled_from([1, 0, -1, 2])


def test_equals_the_authors_numbers():
    fixture = golden("medvill_clinical_efficacy")
    given_ = fixture.part("in")
    metrics = clinical_efficacy(given_["reference"].numpy(), given_["hypothesis"].numpy()).metrics()
    found = [metrics[f"clinical_{name}"] for name in ("accuracy", "precision", "recall", "f1")]
    expected = fixture.tensors["out.accuracy_precision_recall_f1"].tolist()
    assert found == pytest.approx(expected, abs=fixture.meta["suggested_tolerance"]["atol"])


def slowly(original, generated):
    """Accuracy, precision, recall and F1 of one finding, report by report."""
    pairs = list(zip(original, generated, strict=True))
    agreed = sum(a == b != 2 for a, b in pairs)
    accuracy = sum(a == b for a, b in pairs) / len(pairs)
    mentioned, claimed = sum(a != 2 for a in original), sum(b != 2 for b in generated)
    precision = agreed / claimed if claimed else np.nan
    recall = agreed / mentioned if mentioned else np.nan
    f1 = 2 * precision * recall / (precision + recall) if precision + recall != 0 else 0.0
    return accuracy, precision, recall, f1


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.int8, (2, 7, 3), elements=CODES))
def test_equals_a_slow_transcription(pair):
    efficacy = clinical_efficacy(*pair)
    found = np.stack([efficacy.accuracy, efficacy.precision, efficacy.recall, efficacy.f1])
    expected = np.array([slowly(pair[0, :, k], pair[1, :, k]) for k in range(3)]).T
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_f1_of_the_positive_equals_scikit_learn():
    original, generated = np.random.default_rng(0).choice([1, 0, -1, 2], (2, 80, 5))
    metrics = clinical_efficacy(original, generated).metrics()
    for average in ("macro", "micro"):
        expected = f1_score(original == 1, generated == 1, average=average)
        assert metrics[f"clinical_positive_f1_{average}"] == pytest.approx(expected, abs=1e-12)


def test_findings_that_nobody_mentions_are_left_out_of_the_means():
    original, generated = np.array([[1, 2], [0, 2]]), np.array([[1, 2], [1, 2]])
    metrics = clinical_efficacy(original, generated).metrics()
    assert metrics["clinical_accuracy"] == 0.75  # not mentioning it twice is agreement
    assert (metrics["clinical_precision"], metrics["clinical_f1"]) == (0.5, 0.5)
    assert metrics["clinical_positive_f1_macro"] == pytest.approx(2 / 3)
    blank = clinical_efficacy(np.full((3, 2), 2), np.full((3, 2), 2)).metrics()
    assert np.isnan(blank["clinical_f1"]) and blank["clinical_accuracy"] == 1


@pytest.mark.parametrize(
    ("original", "generated", "message"),
    [
        ([[1, 0]], [[1, 0], [1, 0]], r"\(1, 2\) and of generated ones \(2, 2\) cannot be compared"),
        ([[1, 3]], [[1, 0]], "original reports: 3 is no label"),
        ([[1, 0]], [[1, np.nan]], "generated reports: nan is no label"),
        (np.zeros((0, 4)), np.zeros((0, 4)), r"shape \(0, 4\) cannot be compared"),
    ],
)
def test_what_cannot_be_compared(original, generated, message):
    with pytest.raises(DataError, match=message):
        clinical_efficacy(np.array(original), np.array(generated))

"""Comparing two models on the same cases."""

import numpy as np
import pytest

from medvl import Cases, DataError, DataSpec
from medvl.evaluate.compare import compare
from medvl.evaluate.multilabel import Multilabel

NAMES = ("Edema", "Fracture")


def two_models(better_by=0.8, size=300):
    random = np.random.default_rng(0)
    labels = (random.random((size, 2)) < 0.3).astype(np.float32)
    shared = random.normal(size=(size, 2)) + labels
    rows = np.arange(size)
    patients = rows // 2
    a = Cases(rows, patients, {"labels": labels}, {"logits": shared + better_by * labels})
    return a, Cases(rows, patients, {"labels": labels}, {"logits": shared + 0.2 * random.normal(size=(size, 2))})


def macro(cases):
    return Multilabel(DataSpec(labels=NAMES)).evaluate(cases, intervals=False).metrics["auroc_macro"]


def shuffled(cases):
    order = np.random.default_rng(1).permutation(len(cases.rows))
    fields = {name: array[order] for name, array in cases.fields.items()}
    return Cases(cases.rows[order], cases.patients[order], fields, {"logits": cases.outputs["logits"][order]})


def test_difference_is_that_of_the_macro_aurocs_and_significant():
    a, b = two_models()
    found = compare(a, b, NAMES, replicates=200)
    assert found.difference == pytest.approx(macro(a) - macro(b), abs=1e-12)
    assert 0 < found.low < found.difference < found.high and found.p == pytest.approx(2 / 201)
    back = compare(b, a, NAMES, replicates=200)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_order_of_the_cases_does_not_matter():
    a, b = two_models()
    assert compare(a, shuffled(b), NAMES, replicates=50) == compare(a, b, NAMES, replicates=50)


def test_an_undefined_finding_is_left_out():
    a, b = two_models()
    a.fields["labels"][:, 1] = b.fields["labels"][:, 1] = 0
    found = compare(a, b, NAMES, replicates=50)
    assert found.difference == pytest.approx(macro(a) - macro(b), abs=1e-12)


def test_different_cases_or_labels_are_refused():
    a, b = two_models()
    b.rows = b.rows + 100
    with pytest.raises(DataError, match="300 and 300 cases, 200 in common"):
        compare(a, b, NAMES)
    a, b = two_models()
    b.fields["labels"] = 1 - b.fields["labels"]
    with pytest.raises(DataError, match="different labels"):
        compare(a, b, NAMES)
    a, b = two_models()
    b.outputs["logits"][0] = np.nan
    with pytest.raises(DataError, match="undefined"):
        compare(a, b, NAMES)

"""Who has what: prevalence, agreement of labels with signs, progression."""

import numpy as np
import pytest

from medvl.datasets.phantom.cases import (
    CONTEXTS,
    DIFFUSE_LABELS,
    FAINT,
    FOCAL_ALTERNATIVES,
    FOCAL_LABELS,
    LABELS,
    SIGNS,
    draw_studies,
    label_values,
)
from medvl.datasets.phantom.dataset import Phantom


@pytest.fixture(scope="module")
def studies():
    return draw_studies(0, np.arange(4000))


@pytest.mark.parametrize("label", LABELS)
def test_prevalence_is_realistic_but_not_extreme(label: str) -> None:
    values = Phantom(patients=2000).table()[f"label.{label}"].to_pylist()
    assert 0.07 < values.count(1) / len(values) < 0.31
    assert values.count(-1) / len(values) < 0.07
    assert values.count(None) > 0


def test_no_finding_means_none_of_the_others_but_devices(studies) -> None:
    values = label_values(studies)
    others = [values[label] != 0 for label in LABELS if label not in ("No Finding", "Support Devices")]
    np.testing.assert_array_equal(values["No Finding"] == 1, ~np.any(others, axis=0))
    assert set(np.unique(values["No Finding"])) == {0, 1}


@pytest.mark.parametrize("context", range(len(CONTEXTS)))
def test_the_context_names_the_opacity(studies, context: int) -> None:
    here = studies.take(studies.context == context)
    values = label_values(here)
    sure = (here.focal >= FAINT) & ~here.ambiguous
    assert np.all(values[FOCAL_LABELS[context]][sure] == 1)
    doubtful = (here.focal > 0) & here.ambiguous
    assert doubtful.any() and np.all(values[FOCAL_ALTERNATIVES[context]][doubtful] != 0)
    assert np.all(values[DIFFUSE_LABELS[context]][here.diffuse >= FAINT] == 1)


@pytest.mark.parametrize(
    ("label", "sign"), [("Cardiomegaly", "heart"), ("Pleural Effusion", "effusion"), ("Pneumothorax", "pneumothorax")]
)
def test_a_label_is_what_is_there(studies, label: str, sign: str) -> None:
    severity, value = getattr(studies, sign), label_values(studies)[label]
    np.testing.assert_array_equal(severity > 0, value != 0)
    assert np.all((severity[value == -1] < FAINT) & studies.hedged[value == -1])
    assert (value == -1).any()


@pytest.mark.parametrize("sign", SIGNS)
def test_signs_come_at_their_rates_and_persist(studies, sign: str) -> None:
    severity = getattr(studies, sign)
    for context, rate in enumerate(SIGNS[sign]):
        assert np.mean(severity[studies.context == context] > 0) == pytest.approx(rate, abs=0.05)
    assert np.all((severity == 0) | ((severity >= 0.25) & (severity <= 1)))
    before = getattr(studies, f"{sign}_before")
    later = ~np.isnan(before)
    np.testing.assert_array_equal(later, studies.study > 1)
    had, has = before[later] > 0, severity[later] > 0
    assert has[had].mean() > 0.45 > 2 * has[~had].mean()
    assert (severity[later][had & has] != before[later][had & has]).all()

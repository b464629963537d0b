"""Several views of a study judged as one case, against loops and the authors' own numbers."""

import numpy as np
import pytest
import torch

from medvl import Cases, DataError, DataSpec
from medvl.evaluate.multilabel import Multilabel
from medvl.evaluate.studies import by_study
from tests.golden_fixtures import golden

NAN = float("nan")


def cases(studies, labels, logits):
    studies = None if studies is None else np.asarray(studies)
    rows = 10 + np.arange(len(labels))
    return Cases(
        rows, rows // 7, {"labels": np.array(labels, np.float32)}, {"logits": np.array(logits, np.float32)}, studies
    )


@pytest.fixture(params=["chexpert_supervised_pieces"])
def fixture(request):
    return golden(request.param)


def test_golden_study_probability(fixture):
    logits, mask = fixture.tensors["in.view_logits"], fixture.tensors["in.view_mask"].bool()  # (S, V, K), (S, V)
    studies = np.nonzero(mask.numpy())[0]
    views = logits[mask]  # (N, K)
    shuffled = np.random.default_rng(0).permutation(len(studies))
    given_cases = cases(studies[shuffled], np.zeros(views.shape), views.numpy()[shuffled])
    found, _ = by_study(given_cases)
    order = np.argsort(found.studies)
    fixture.close(torch.from_numpy(found.outputs["logits"][order]).sigmoid(), "out.study_probability")


@pytest.mark.parametrize("size", [0, 1, 2, 5, 12, 40])
def test_equals_a_loop_over_studies(size):
    random = np.random.default_rng(size)
    studies = random.integers(-2, 6, size).tolist()
    labels = random.choice([0, 1, NAN], size).tolist()
    logits = random.choice([-1, 0.5, 2, NAN], size, p=[0.3, 0.3, 0.3, 0.1]).tolist()
    found, places = by_study(cases(studies, [[label] for label in labels], [[logit] for logit in logits]))
    expected = {}
    for place, study in enumerate(studies):
        expected.setdefault(study, []).append(place)
    assert places.tolist() == [members[0] for members in expected.values()]
    assert found.rows.tolist() == [10 + place for place in places]
    for at, members in enumerate(expected.values()):
        known = [labels[place] for place in members if labels[place] == labels[place]]
        np.testing.assert_equal(found.fields["labels"][at, 0], max(known) if known else NAN)
        views = [logits[place] for place in members]
        np.testing.assert_equal(found.outputs["logits"][at, 0], NAN if any(v != v for v in views) else max(views))


def test_the_evaluator_judges_studies_where_it_is_told_to():
    random = np.random.default_rng(0)
    studies = np.repeat(np.arange(80), 2)
    truth = np.repeat(random.random((80, 2)) < 0.4, 2, axis=0).astype(np.float32)
    logits = random.normal(size=truth.shape) + 2 * truth * random.integers(0, 2, truth.shape)  # seen in some views
    given_cases = cases(studies, truth, logits)
    data = DataSpec(labels=("Edema", "Mass"))
    each = Multilabel(data, replicates=30).evaluate(given_cases)
    result = Multilabel(data, views="max", replicates=30).evaluate(given_cases)
    whole = by_study(given_cases)[0]
    assert result.metrics == Multilabel(data).evaluate(whole, intervals=False).metrics != each.metrics
    assert result.counts["positives/Edema"] * 2 == each.counts["positives/Edema"]
    assert "80 studies, each by the largest logit of its views (160 radiographs)" in result.notes
    assert result.draws.positions.tolist() == list(range(0, 160, 2))
    other = {name for name, fact in each.draws.judged.items() if result.draws.judged[name] != fact}
    assert other == {"views", "labels"}


def test_cases_that_name_no_study_are_refused():
    with pytest.raises(DataError, match=r"do not say which study they are of\. do: views: each"):
        by_study(cases(None, [[1]], [[0.0]]))

"""Ranking against the authors' numbers and a slow transcription, and the evaluator over pools."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl import Cases, ConfigError, DataError, DataSpec
from medvl.evaluate.pools import label_sets, pools, rank_both_ways
from medvl.evaluate.ranking import rank
from medvl.evaluate.retrieval import Retrieval
from tests.golden_fixtures import golden

NAMES = ("Edema", "Fracture", "Pneumonia")


def test_equals_the_authors_numbers():
    fixture = golden("medvill_retrieval_metrics")
    given_, expected = fixture.part("in"), fixture.part("out")
    tolerance = fixture.meta["suggested_tolerance"]
    ranking = rank(given_["scores"].numpy(), given_["labels"].numpy() == 1, (1, 5, 10))
    assert ranking.first.tolist() == expected["first_positive_rank"].tolist()
    means = {name: values.mean() for name, values in ranking.measures().items()}
    assert means["mrr"] == pytest.approx(expected["mrr"].item(), abs=tolerance["hit,mrr"])
    for name, bound in (("hit", "hit,mrr"), ("recall", "recall,precision"), ("precision", "recall,precision")):
        found = [means[f"{name}@{k}"] for k in (1, 5, 10)]
        assert found == pytest.approx(expected[f"{name}_at_1_5_10"].tolist(), abs=tolerance[bound] + 1e-12)


def slowly(scores, positive, k):
    """One query, straight from the definitions: sort the candidates, the wrong one first where scores are equal."""
    order = sorted(range(len(scores)), key=lambda j: (-scores[j], positive[j]))
    right = [bool(positive[j]) for j in order]
    if not any(right):
        return None
    found = sum(right[:k])
    return 1 / (right.index(True) + 1), float(found > 0), found / sum(right), found / k


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_equals_a_slow_transcription(data):
    queries, candidates = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 12))
    cells = st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0]), min_size=candidates, max_size=candidates)
    flags = st.lists(st.booleans(), min_size=candidates, max_size=candidates)
    scores = np.array(data.draw(st.lists(cells, min_size=queries, max_size=queries)))
    positive = np.array(data.draw(st.lists(flags, min_size=queries, max_size=queries)))
    k = data.draw(st.integers(1, 14))
    measures = rank(scores, positive, (k,)).measures()
    for query in range(queries):
        found = tuple(measures[name][query] for name in ("mrr", f"hit@{k}", f"recall@{k}", f"precision@{k}"))
        expected = slowly(scores[query], positive[query], k)
        if expected is None:
            assert np.isnan(found).all()
        else:
            assert found == pytest.approx(expected, abs=1e-12)


def test_the_order_of_candidates_never_counts():
    random = np.random.default_rng(0)
    scores, positive = random.integers(0, 3, (20, 30)).astype(float), random.random((20, 30)) < 0.2
    order = random.permutation(30)
    before, after = (rank(*each).measures() for each in ((scores, positive), (scores[:, order], positive[:, order])))
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name])


def test_a_model_that_cannot_tell_gets_no_credit():
    positive = np.eye(12, dtype=bool)
    measures = rank(np.zeros((12, 12)), positive, (10,)).measures()
    assert measures["hit@10"].max() == 0 and measures["mrr"] == pytest.approx(np.full(12, 1 / 12))


def test_a_long_ranking_is_sorted_in_parts(monkeypatch):
    random = np.random.default_rng(1)
    scores, positive = random.normal(size=(23, 40)), random.random((23, 40)) < 0.1
    whole = rank(scores, positive)
    monkeypatch.setattr("medvl.evaluate.ranking.CELLS", 100)
    parts = rank(scores, positive)
    np.testing.assert_array_equal(whole.first, parts.first)
    np.testing.assert_array_equal(whole.found, parts.found)


@pytest.mark.parametrize(
    ("scores", "positive", "cutoffs", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), (1,), r"scores \(2, 3\) and positives \(3, 2\) cannot be ranked"),
        (np.full((2, 3), np.nan), np.zeros((2, 3)), (1,), "6 of 6 scores are not numbers"),
        (np.zeros((2, 3)), np.zeros((2, 3)), (0, 5), "cutoff 0 of a ranking is below 1"),
    ],
)
def test_what_cannot_be_ranked(scores, positive, cutoffs, message):
    with pytest.raises(DataError, match=message):
        rank(scores, positive, cutoffs)


def test_label_sets_are_the_positive_findings():
    codes = label_sets(np.array([[1, 0], [1, -1], [1, np.nan], [0, np.nan], [2, 0], [1, 1]]))
    assert len(set(codes[:3])) == 1 and codes[3] == codes[4]
    assert len({codes[0], codes[3], codes[5]}) == 3


def test_pools_hold_each_pair_once():
    drawn = pools(257, 50, seed=3)
    assert drawn.shape == (5, 50) and len(np.unique(drawn)) == 250 and drawn.max() < 257
    assert not np.array_equal(drawn, pools(257, 50, seed=4))
    assert pools(7, None).tolist() == pools(7, 100).tolist() == [list(range(7))]
    with pytest.raises(DataError, match="no image-report pairs"):
        pools(0, 100)


def test_both_ways_are_each_others_transpose():
    random = np.random.default_rng(2)
    scores, codes = random.normal(size=(9, 9)), random.integers(0, 3, 9)
    forth, back = rank_both_ways(scores, codes, (3,)), rank_both_ways(scores.T, codes, (3,))
    np.testing.assert_array_equal(forth["image_to_report"].first, back["report_to_image"].first)
    assert not np.array_equal(forth["image_to_report"].first, forth["report_to_image"].first)


def simulated(size=230, noise=1.0, seed=0):
    random = np.random.default_rng(seed)
    images = random.normal(size=(size, 8)).astype(np.float32)
    texts = (images + noise * random.normal(size=images.shape)).astype(np.float32)
    labels = (random.random((size, 3)) < 0.4).astype(np.float32)
    rows = np.arange(size)
    return Cases(rows, rows // 2, {"labels": labels}, {"image_embeddings": images, "text_embeddings": texts})


def evaluator(**parameters):
    return Retrieval(DataSpec(labels=NAMES), **parameters)


def test_the_evaluator_means_over_the_queries_of_all_pools():
    cases = simulated()
    asked = evaluator(pool=50, similarity="dot", cutoffs=(1, 5), replicates=0)
    result = asked.evaluate(cases)
    images, texts = cases.outputs["image_embeddings"], cases.outputs["text_embeddings"]
    found = []
    for members in pools(230, 50, seed=0):
        for query in members:
            right = [(cases.fields["labels"][query] == cases.fields["labels"][other]).all() for other in members]
            found.append(slowly((images[query] @ texts[members].T).tolist(), right, 5))
    mrr, hit, recall, precision = np.mean(found, axis=0)
    assert result.metrics["image_to_report_mrr"] == pytest.approx(mrr, abs=1e-6)
    assert result.metrics["image_to_report_hit@5"] == pytest.approx(hit, abs=1e-6)
    assert result.metrics["image_to_report_recall@5"] == pytest.approx(recall, abs=1e-6)
    assert result.metrics["image_to_report_precision@5"] == pytest.approx(precision, abs=1e-6)
    assert tuple(result.metrics) == asked.metrics()
    assert result.counts == {"pairs": 200, "pools": 4}
    assert "30 of 230 pairs fill no pool and are left out" in result.notes


def test_better_embeddings_retrieve_better_and_intervals_hold_the_point():
    good, poor = (evaluator(replicates=100).evaluate(simulated(noise=noise)) for noise in (0.1, 30.0))
    for way in ("image_to_report", "report_to_image"):
        assert good.metrics[f"{way}_hit@1"] > poor.metrics[f"{way}_hit@1"] + 0.3
    for name, (low, high) in good.intervals.items():
        assert low <= good.metrics[name] <= high, name
    assert re.search("100 draws of 1[01][0-9] patients", good.notes[-1])


def test_cosine_does_not_see_lengths():
    cases = simulated()
    metrics = evaluator(replicates=0).evaluate(cases).metrics
    cases.outputs["text_embeddings"] *= np.linspace(1, 9, 230, dtype=np.float32)[:, None]
    assert evaluator(replicates=0).evaluate(cases).metrics == pytest.approx(metrics)
    assert evaluator(replicates=0, similarity="dot").evaluate(cases).metrics != pytest.approx(metrics)


def test_the_table_has_a_row_a_measure():
    asked = evaluator(pool=None, replicates=20)
    titles, rows = asked.table(asked.evaluate(simulated(60)))
    assert titles == ["measure", "image to report", "report to image"]
    assert [row[0] for row in rows] == [
        "mrr",
        *(f"{n}@{k}" for n in ("hit", "recall", "precision") for k in (1, 5, 10)),
    ]
    assert all("(" in cell for row in rows for cell in row[1:])


def test_an_embedding_that_is_not_finite_makes_all_undefined():
    cases = simulated()
    cases.outputs["image_embeddings"][3, 1] = np.nan
    result = evaluator().evaluate(cases)
    assert np.isnan(list(result.metrics.values())).all()
    assert result.notes == ["1 of 230 pairs have an embedding that is not finite: all is undefined"]


def test_embeddings_of_two_widths_are_refused():
    cases = simulated()
    cases.outputs["text_embeddings"] = cases.outputs["text_embeddings"][:, :4]
    with pytest.raises(DataError, match=r"image embeddings \(230, 8\) and text embeddings \(230, 4\)"):
        evaluator().evaluate(cases)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"pool": 1}, "pool 1 .* leaves nothing to rank"),
        ({"cutoffs": (5, 5)}, r"cutoffs \[5, 5\]"),
        ({"cutoffs": ()}, r"cutoffs \[\]"),
        ({"confidence": 1.0}, "confidence 1.0"),
        ({"replicates": -1}, "replicates -1"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ConfigError, match=message):
        evaluator(**parameters)


def test_data_without_labels_is_refused():
    with pytest.raises(ConfigError, match="tells right candidates by their labels"):
        Retrieval(DataSpec())

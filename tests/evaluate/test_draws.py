"""The draws that results carry: those of the intervals, alike for two models, and enough for paired differences."""

import numpy as np
import pytest

from medvl import Cases, DataSpec
from medvl.evaluate.bootstrap import clusters, difference_of, paired_difference, percentile_interval
from medvl.evaluate.draws import digest
from medvl.evaluate.families import of_family
from medvl.evaluate.multilabel import Multilabel
from medvl.evaluate.perplexity import Perplexity
from medvl.evaluate.question_answering import QuestionAnswering
from medvl.evaluate.retrieval import Retrieval
from medvl.models.tokenizer import train_wordpiece

SIZE = 60
PATIENTS = np.arange(SIZE) // 3
LABELS = ("Edema", "Mass")


def judged(shift=0.0, seed=0):
    """Cases that every evaluator here can judge; `shift` makes a better model of the same noise."""
    random = np.random.default_rng(seed)
    truth = (np.random.default_rng(9).random((SIZE, 2)) < 0.4).astype(np.float32)
    images = random.normal(size=(SIZE, 6)).astype(np.float32)
    texts = images + (2 - shift) * random.normal(size=images.shape).astype(np.float32)
    tokens = np.random.default_rng(8).integers(3, 30, SIZE)
    answers = np.random.default_rng(7).integers(0, 3, SIZE)
    told = {"kind": "closed", "type": "PRES", "organ": "chest"}
    return Cases(
        np.arange(SIZE), PATIENTS,
        {"labels": truth, "answers": answers, **{name: np.full(SIZE, word) for name, word in told.items()}},
        {
            "logits": (random.normal(size=truth.shape) + (1 + shift) * truth).astype(np.float32),
            "log_likelihood": tokens * random.uniform(-3 + shift, -1 + shift, SIZE),
            "tokens": tokens,
            "image_embeddings": images,
            "text_embeddings": texts,
            "answer": np.where(random.random(SIZE) < 0.5 + shift, answers, (answers + 1) % 3),
        },
    )  # fmt: skip


EVALUATORS = {
    "multilabel": Multilabel(DataSpec(labels=LABELS), replicates=40),
    "perplexity": Perplexity(DataSpec(), replicates=40),
    "retrieval": Retrieval(DataSpec(labels=LABELS), pool=8, replicates=40),
    "vqa": QuestionAnswering(DataSpec(answers=("no", "yes", "left")), replicates=40),
}


@pytest.mark.parametrize("name", EVALUATORS)
def test_every_evaluator_keeps_the_draws_of_its_intervals(name):
    result = EVALUATORS[name].evaluate(judged())
    assert set(result.draws.values) == set(result.metrics)
    for metric, interval in result.intervals.items():
        assert result.draws.values[metric].shape == (40,)
        assert percentile_interval(result.draws.values[metric]) == pytest.approx(interval)
    np.testing.assert_array_equal(result.draws.codes, clusters(PATIENTS[result.draws.positions], "patient"))
    assert EVALUATORS[name].evaluate(judged(), intervals=False).draws is None


@pytest.mark.parametrize("name", EVALUATORS)
def test_two_models_are_drawn_alike(name):
    one, other = (EVALUATORS[name].evaluate(judged(shift, seed=3)).draws for shift in (0.0, 0.3))
    np.testing.assert_array_equal(one.positions, other.positions)
    np.testing.assert_array_equal(one.codes, other.codes)
    assert one.judged == other.judged


def test_subtracting_draws_is_the_paired_bootstrap():
    """Against `paired_difference`, and against repeating the cases that were drawn and measuring them anew."""
    a, b = judged(0.2, seed=1), judged(seed=2)
    one, other = (EVALUATORS["perplexity"].evaluate(cases) for cases in (a, b))
    found = difference_of(
        one.metrics["perplexity"] - other.metrics["perplexity"],
        one.draws.values["perplexity"] - other.draws.values["perplexity"],
    )

    def metric(cases):
        def weighted(weights):
            return np.exp(-(cases.outputs["log_likelihood"] @ weights) / (cases.outputs["tokens"] @ weights))

        return weighted

    direct = paired_difference(metric, a, b, codes=clusters(PATIENTS, "patient"), replicates=40)
    assert vars(found) == pytest.approx(vars(direct))
    differences = []
    for number in range(40):
        drawn = np.random.default_rng([0, number]).integers(0, SIZE // 3, SIZE // 3)
        rows = np.concatenate([np.flatnonzero(patient == PATIENTS) for patient in drawn])
        each = [
            np.exp(-cases.outputs["log_likelihood"][rows].sum() / cases.outputs["tokens"][rows].sum())
            for cases in (a, b)
        ]
        differences.append(each[0] - each[1])
    assert (found.low, found.high) == pytest.approx(percentile_interval(np.array(differences)))


def test_retrieval_tells_which_cases_its_pools_hold():
    draws = EVALUATORS["retrieval"].evaluate(judged()).draws
    assert len(draws.positions) == 56 and sorted(set(draws.positions)) == sorted(draws.positions)
    other = Retrieval(DataSpec(labels=LABELS), pool=14, replicates=40).evaluate(judged()).draws
    np.testing.assert_array_equal(draws.positions, other.positions)  # pools of 8 and of 14 hold the same 56 pairs
    assert draws.judged != other.judged


def test_what_metrics_mean_is_told():
    """Another threshold, other labels or another vocabulary make another metric of the same name."""
    threshold = Multilabel(DataSpec(labels=LABELS), replicates=5, threshold=0.3).evaluate(judged()).draws
    cases = judged()
    cases.fields["labels"][0] = np.nan
    plain, labels = (EVALUATORS["multilabel"].evaluate(each).draws for each in (judged(), cases))
    differing = [
        {key for key in plain.judged if plain.judged[key] != other.judged[key]} for other in (threshold, labels)
    ]
    assert differing == [{"threshold"}, {"labels"}]


def test_perplexities_of_other_vocabularies_are_told_apart():
    def facts(texts, most=64):
        tokenizer = train_wordpiece(texts, 200, most)
        return Perplexity(DataSpec(), tokenizer, replicates=5).evaluate(judged()).draws.judged

    texts = ["no effusion", "a small mass in the left lung"]
    assert facts(texts) == facts(texts)
    assert (
        facts(texts)["vocabulary"] != facts(texts[:1])["vocabulary"] and facts(texts)["cut"] != facts(texts, 8)["cut"]
    )


def test_which_metrics_fall():
    assert EVALUATORS["perplexity"].less_is_better("perplexity")
    multilabel = EVALUATORS["multilabel"]
    assert [multilabel.less_is_better(name) for name in ("brier_macro", "brier/Mass", "auroc_macro")] == [
        True,
        True,
        False,
    ]


def test_families():
    assert of_family("bleu_4", "bleu") and of_family("hit@5", "hit") and of_family("dice/Lung", "dice")
    assert of_family("dice", "dice") and not of_family("accuracy", "acc")


def test_a_digest_tells_order_and_type():
    assert digest(["a", "b"]) != digest(["b", "a"]) and digest(["a", "b"]) == digest(("a", "b"))
    assert digest(np.zeros(2)) != digest(np.zeros(2, np.float32)) and digest(np.zeros(2)) == digest(np.zeros(2))

"""What costs much is computed at every validation only where early stopping reads it."""

from types import SimpleNamespace

import pytest

from medvl.config.sections import Stop
from medvl.engine.asked import cautions, outputs_of, validates, wanted_by
from medvl.evaluate.base import PAIR_SCORES, SALIENCY, Evaluator


class Judge(Evaluator):
    """Wants `wants`, or else `instead`, and measures one thing."""

    def __init__(self, metric, wants, instead=()):
        self.metric, self.wants, self.instead = metric, wants, instead

    def metrics(self):
        return (self.metric,)

    def evaluate(self, cases, intervals=True):
        raise AssertionError("nothing is evaluated here")

    table = evaluate


def objective(*predicts, dear=(), pairs=False, told=None, views=()):
    return SimpleNamespace(
        predicts=predicts, dear=dear, scores_pairs=pairs, views=views, cautions=lambda model: told or {}
    )


WRITER = objective("report", "tokens", "log_likelihood", dear=("report",))
CHEAP = Judge("perplexity", ("tokens", "log_likelihood"))
DEAR = Judge("bleu_4", ("report", "tokens"))
RANKING = Judge("mrr", ("embeddings",), instead=(PAIR_SCORES,))


@pytest.mark.parametrize(
    ("judge", "asked", "stop", "validated"),
    [
        (CHEAP, WRITER, None, True),
        (DEAR, WRITER, None, False),
        (DEAR, WRITER, "val/perplexity", False),
        (DEAR, WRITER, "val/bleu_4", True),
        (DEAR, objective("report", "tokens"), None, True),
        (RANKING, objective(pairs=True), None, False),
        (RANKING, objective(pairs=True), "val/mrr", True),
        (RANKING, objective("embeddings", pairs=True), None, True),
    ],
)
def test_evaluators_of_dear_outputs_wait_for_the_end(judge, asked, stop, validated):
    stage = SimpleNamespace(stop=None if stop is None else Stop(metric=stop))
    assert validates(stage, judge, asked) == validated


def test_outputs_are_asked_for_once_and_pairs_are_no_case_s():
    assert wanted_by([CHEAP, DEAR], WRITER) == {"report", "tokens", "log_likelihood"}
    assert wanted_by([CHEAP], WRITER) == {"tokens", "log_likelihood"} and wanted_by([], WRITER) == set()
    assert wanted_by([RANKING], objective(pairs=True)) == set()
    assert wanted_by([RANKING], objective("embeddings", pairs=True)) == {"embeddings"}
    assert outputs_of(objective("logits", pairs=True)) == ("logits", PAIR_SCORES)


def test_maps_are_there_where_findings_are_told_from_an_image_and_wait_for_the_end():
    looks = objective("logits", views=("image",))
    assert outputs_of(looks) == ("logits", SALIENCY) and outputs_of(objective("logits")) == ("logits",)
    judge = Judge("iou_macro", (SALIENCY,))
    assert wanted_by([judge], looks) == set()
    assert not validates(SimpleNamespace(stop=None), judge, looks)
    assert validates(SimpleNamespace(stop=Stop(metric="val/iou_macro")), judge, looks)


def test_cautions_are_of_what_is_asked_for():
    told = objective("report", "tokens", "log_likelihood", told={"tokens": "count them", "report": "do not trust it"})
    assert cautions(CHEAP, told, None) == ["count them"]
    assert sorted(cautions(DEAR, told, None)) == ["count them", "do not trust it"]

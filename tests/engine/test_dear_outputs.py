"""What evaluators are given of an objective; what costs much waits for the end unless early stopping reads it."""

from types import SimpleNamespace

from medvl.config.sections import Stop
from medvl.engine.wanted import taken_by, takes_pairs, validating, wanted_by
from medvl.evaluate.base import PAIR_SCORES, Evaluator


def evaluator(*wants, metric, instead=()):
    made = {"wants": wants, "instead": instead, "metrics": lambda self: (metric,)}
    return type("Asking", (Evaluator,), made | dict.fromkeys(("evaluate", "table")))()


def objective(*predicts, dear=(), scores_pairs=False):
    return SimpleNamespace(predicts=predicts, dear=dear, scores_pairs=scores_pairs)


OUTPUTS = ("report", "tokens", "log_likelihood")
CHEAP = evaluator("tokens", "log_likelihood", metric="perplexity")
DEAR = evaluator("report", "tokens", metric="bleu_4")
EITHER = evaluator("image_embeddings", "text_embeddings", instead=(PAIR_SCORES,), metric="mrr")


def test_evaluators_of_dear_outputs_wait_for_the_end():
    writer = objective(*OUTPUTS, dear=("report",))
    assert validating([CHEAP, DEAR], writer, None) == [CHEAP]
    assert validating([CHEAP, DEAR], writer, Stop(metric="val/perplexity")) == [CHEAP]
    assert validating([CHEAP, DEAR], writer, Stop(metric="val/bleu_4")) == [CHEAP, DEAR]
    assert validating([CHEAP, DEAR], objective(*OUTPUTS), None) == [CHEAP, DEAR]


def test_so_do_those_that_take_the_scores_of_pairs():
    matching = objective(scores_pairs=True)
    assert validating([EITHER], matching, Stop(metric="val/loss")) == []
    assert validating([EITHER], matching, Stop(metric="val/mrr")) == [EITHER]
    assert validating([EITHER], objective(*EITHER.wants), None) == [EITHER]


def test_outputs_are_asked_for_once():
    assert wanted_by([CHEAP, DEAR], objective(*OUTPUTS)) == set(OUTPUTS)
    assert wanted_by([], objective(*OUTPUTS)) == set()


def test_embeddings_come_before_the_scores_of_pairs():
    both = objective(*EITHER.wants, scores_pairs=True)
    assert taken_by(EITHER, both) == EITHER.wants and not takes_pairs(EITHER, both)
    assert (
        takes_pairs(EITHER, objective(scores_pairs=True)) and wanted_by([EITHER], objective(scores_pairs=True)) == set()
    )
    assert taken_by(EITHER, objective("logits")) == ()

"""What costs much is computed at every validation only where early stopping reads it."""

from types import SimpleNamespace

from medvl.config.sections import Stop
from medvl.engine.assemble import validating, wanted_by

WRITER = SimpleNamespace(dear=("report",))
CHEAP = SimpleNamespace(wants=("tokens", "log_likelihood"), metrics=lambda: ("perplexity",))
DEAR = SimpleNamespace(wants=("report", "tokens"), metrics=lambda: ("bleu_4",))


def test_evaluators_of_dear_outputs_wait_for_the_end():
    assert validating([CHEAP, DEAR], WRITER, None) == [CHEAP]
    assert validating([CHEAP, DEAR], WRITER, Stop(metric="val/perplexity")) == [CHEAP]
    assert validating([CHEAP, DEAR], WRITER, Stop(metric="val/bleu_4")) == [CHEAP, DEAR]
    assert validating([CHEAP, DEAR], SimpleNamespace(dear=()), None) == [CHEAP, DEAR]


def test_outputs_are_asked_for_once():
    assert wanted_by([CHEAP, DEAR]) == {"report", "tokens", "log_likelihood"}
    assert wanted_by([]) == set()

import pytest
import torch

from medvl.errors import ConfigError
from medvl.plugins import Plugins
from medvl.testkit.workbench import Workbench

TERMS = {"matching": {"name": "report_matching"}, "words": {"name": "mlm", "probability": 0.5}}


def bench(name="one_pass", terms=None, **parameters):
    return Workbench.of(
        Plugins(()), {"name": name, "terms": terms or TERMS, **parameters}, {"fusion": {"name": "mmbt"}}
    )


def test_the_model_runs_once_for_all_terms():
    for name, passes in (("one_pass", 1), ("total", 2)):
        made = bench(name)
        trainable, seen = made.build(), []
        trainable.model.fusion.register_forward_hook(lambda *given, seen=seen: seen.append(1))
        losses = trainable(made.batch())
        assert len(seen) == passes
        assert set(losses) == {"matching.matching", "words.mlm"}


@pytest.mark.parametrize("order", [("matching", "words"), ("words", "matching")])
def test_words_are_hidden_of_the_text_that_is_read(order):
    made = bench(terms={name: TERMS[name] for name in order})
    trainable = made.build()
    given, read = made.batch(), []
    trainable.model.text.transformer.get_input_embeddings().register_forward_hook(
        lambda module, ids, out: read.append(ids[0])
    )
    judged = {}
    term = trainable.objective.terms["words"]
    term.judge = lambda model, features, batch: judged.update(batch) or {}
    torch.manual_seed(0)
    trainable(given)
    foreign = ~judged["matched"]
    assert foreign.any() and judged["matched"].any()
    own = judged["text.original"] == given["text.ids"]
    assert own[judged["matched"]].all() and not own[foreign].all(1).any()
    seen = judged["text.ids"] == judged["text.original"]
    assert seen[~judged["text.hidden"]].all() and not seen[judged["text.hidden"]].all()
    words = next(ids for ids in read if ids.shape[1] > 2)  # the other are [CLS] and [SEP] around the image
    assert words.equal(judged["text.ids"][:, 1:-1])


def test_weights_count():
    made, heavy = bench(), bench(weights={"words": 3.0})
    torch.manual_seed(1)
    one = made.build()(made.batch())
    torch.manual_seed(1)
    other = heavy.build()(made.batch())
    torch.testing.assert_close(other["words.mlm"], 3 * one["words.mlm"])
    torch.testing.assert_close(other["matching.matching"], one["matching.matching"])


def test_terms_that_do_not_corrupt_are_refused():
    with pytest.raises(
        ConfigError, match=r"one_pass' shares a pass .* and labels does not. do: take objective 'total'"
    ):
        bench(terms={**TERMS, "labels": {"name": "multilabel"}})

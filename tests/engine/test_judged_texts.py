"""What evaluators get of texts, and what is told where a likelihood is no probability of a text."""

import copy
import json

import numpy as np
import pytest
import torch

from medvl.engine.check import check_experiment
from medvl.errors import ConfigError
from medvl.plugins import Plugins
from medvl.testkit.workbench import Workbench, evaluating
from tests import small

STAGE = {
    "data": small.PHANTOM | {"text": "findings", "labels": "none"},
    "views": {"image": {"name": "plain", "size": 64}},
    "model": {
        "image": {"name": "timm", "model": "test_resnet"},
        "text": {"name": "bert", "weights": "none", "layers": 2, "width": 32, "dropout": 0.0},
        "fusion": {"name": "medvill", "mask": "bar"},
    },
    "objective": {"name": "mlm"},
    "optim": {"name": "adamw", "lr": 0.001},
    "budget": {"steps": 2, "batch_size": 8},
    "evaluate": [{"name": "perplexity", "replicates": 20}],
}
READER = '''
import medvl

class Reader(medvl.Evaluator):
    """Counts the words of the texts that it is given."""

    reads = ("text",)
    wants = ("tokens",)

    def __init__(self, data, tokenizer, *, split: str = "test"):
        self.tokenizer, self.split = tokenizer, split

    def metrics(self):
        return ("words", "texts", "known")

    def evaluate(self, cases, intervals=True):
        texts = cases.fields["text"]
        assert texts.shape == (len(cases.rows),) and all(isinstance(text, str) for text in texts)
        known = float("effusion" in self.tokenizer.backend.get_vocab())
        return medvl.Result({"words": sum(len(t.split()) for t in texts), "texts": len(texts), "known": known})

    def table(self, result):
        return ["words"], [[str(result.metrics["words"])]]

@medvl.hookimpl
def medvl_register(registry):
    registry.register_evaluator("reader", Reader)
'''


def written(folder, **changes):
    return small.write(folder, small.experiment(words=copy.deepcopy(STAGE) | changes) | {"plugins": ["medvill"]})


def checked(path, *overrides, files=()):
    from medvl.cli.options import load_experiment

    return check_experiment(load_experiment(path, overrides, files)[0])["words"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))


def test_an_evaluator_gets_texts_and_the_tokenizer(tmp_path):
    (tmp_path / "reader.py").write_text(READER)
    path = written(tmp_path, evaluate=[{"name": "reader", "split": "train"}])
    outcome = small.run(path, plugin_files=(str(tmp_path / "reader.py"),))["words"]
    (found,) = json.loads((outcome.folder / "results.json").read_text())
    assert found["metrics"]["texts"] > 10 and found["metrics"]["words"] > 5 * found["metrics"]["texts"]
    assert found["metrics"]["known"] == 1  # the vocabulary that was trained, not a nominal one
    predictions = (outcome.folder / "predictions" / "train.parquet").read_bytes()
    assert b"effusion" not in predictions and b"output.log_likelihood" in predictions


def test_texts_are_asked_for(tmp_path):
    (tmp_path / "reader.py").write_text(READER)
    path = written(tmp_path, evaluate=["reader"])
    plan = checked(path, files=(str(tmp_path / "reader.py"),))
    assert plan.judges_text and not checked(written(tmp_path)).judges_text
    with pytest.raises(ConfigError, match="evaluator 'generation' wants report, and objective 'mlm' predicts log_lik"):
        checked(written(tmp_path, evaluate=["generation"]))


def test_a_perplexity_under_bar_comes_with_a_warning(tmp_path):
    path = written(tmp_path)
    (note,) = checked(path).notes
    assert "words come to know later words, from layer 2 on" in note and "mask: seq2seq" in note
    outcome = small.run(path)["words"]
    (found,) = json.loads((outcome.folder / "results.json").read_text())
    assert note in found["notes"] and note in outcome.notes and found["metrics"]["perplexity"] > 1
    assert checked(path, "words.fusion.mask=seq2seq").notes == []
    assert "from layer 1 on" in checked(path, "words.fusion=null", "words.image=null", "words.views=null").notes[0]
    assert checked(path, "words.evaluate=[]").notes == []  # no one computes a perplexity


def test_masked_likelihoods_are_those_of_the_loss():
    bench = Workbench.of(Plugins(()), {"name": "mlm", "probability": 0.4}, {"fusion": {"name": "medvill"}})
    trainable = bench.build()
    batch = bench.batch()
    with evaluating(trainable):
        found = trainable.predict(batch)
        loss = trainable(batch)["mlm"]
    hidden = found["tokens"].sum()
    assert 0 < hidden < batch["text.mask"].sum()
    torch.testing.assert_close(-found["log_likelihood"].sum() / hidden, loss)
    assert (found["tokens"] == 0).equal(found["log_likelihood"] == 0)
    assert np.isfinite(found["log_likelihood"].numpy()).all()


def test_a_sum_of_objectives_keeps_the_warnings_of_its_terms(tmp_path):
    terms = {"mlm": {"name": "mlm"}, "matching": {"name": "report_matching"}}
    path = written(tmp_path, objective={"name": "one_pass", "terms": terms}, data=small.PHANTOM | {"text": "findings"})
    assert any("from layer 2 on" in note for note in checked(path).notes)

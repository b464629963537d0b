"""Pre-training, then writing: heads start from a term, and what is dear is computed where someone reads it."""

import copy
import json

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file

from medvl.cli.predict import command
from medvl.engine.check import check_experiment
from medvl.errors import ConfigError
from medvl.objectives.report_generation import ReportGeneration
from medvl.runs.folder import predictions_file
from medvl.runs.predictions import read_predictions
from tests import small
from tests.config.experiments import read
from tests.plugins.test_medvill_run import tiny

EVALUATORS = '''
"""Two evaluators of written reports."""

import medvl


class Perplexity(medvl.Evaluator):
    """Exponent of the mean loss of a word."""

    reads = ()
    wants = ("log_likelihood", "tokens")

    def __init__(self, data, *, split: str = "test"):
        self.split = split

    def metrics(self):
        return ("perplexity",)

    def evaluate(self, cases, intervals=True):
        total, words = (cases.outputs[name].sum() for name in self.wants)
        return medvl.Result({"perplexity": float(2.718281828 ** (-total / words))})

    def table(self, result):
        return ["perplexity"], [[str(result.metrics["perplexity"])]]


class Length(Perplexity):
    """Mean words of a report."""

    wants = ("report",)

    def metrics(self):
        return ("length",)

    def evaluate(self, cases, intervals=True):
        return medvl.Result({"length": float((cases.outputs["report"] != 0).sum(1).mean())})

    def table(self, result):
        return ["length"], [[str(result.metrics["length"])]]


@medvl.hookimpl
def medvl_register(registry):
    registry.register_evaluator("plain_perplexity", Perplexity)
    registry.register_evaluator("report_length", Length)
'''


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "evaluators.py").write_text(EVALUATORS)
    values = tiny()
    pretrain = values["stages"]["pretrain"]
    pretrain["budget"]["steps"] = 2
    write = copy.deepcopy(pretrain)
    for slot, component in write["model"].items():
        component["init"] = f"pretrain.{slot}"
    write |= {
        "objective": {"name": "report_generation", "init": "pretrain.mlm", "most": 6},
        "budget": {"steps": 4, "batch_size": 8, "validate_every": 2},
        "stop": {"metric": "val/perplexity", "mode": "min"},
        "evaluate": [{"name": "plain_perplexity"}, {"name": "report_length"}],
    }
    values["stages"]["write"] = write
    return small.write(tmp_path, values | {"plugins": ["medvill", str(tmp_path / "evaluators.py")]})


def test_a_stage_writes_from_where_another_ended(file, monkeypatch):
    asked, predict = [], ReportGeneration.predict

    def watched(self, model, batch):
        asked.append(self.wanted)
        return predict(self, model, batch)

    monkeypatch.setattr(ReportGeneration, "predict", watched)
    stage = small.run(file)["write"]
    likelihood = {"log_likelihood", "tokens"}
    assert set(asked) == {frozenset(likelihood), frozenset(likelihood | {"report"})}
    first_of_all = asked.index(frozenset(likelihood | {"report"}))
    assert frozenset(likelihood) not in asked[first_of_all:]  # validations before, the test split behind
    outputs = read_predictions(stage.folder / predictions_file("test")).cases.outputs
    assert outputs["report"].dtype.kind == "i" and outputs["report"].shape[1] == 6
    assert outputs["tokens"].dtype.kind == "i" and outputs["tokens"].any()
    assert ((outputs["log_likelihood"] < 0) == (outputs["tokens"] > 0)).all()  # a case without text counts nowhere
    assert "teacher_forced" not in outputs
    check_new_images(stage.folder, file.parent)


def check_new_images(stage, folder):
    """`medvl predict` prints what the stage writes about images from elsewhere."""
    images = [folder / "black.png", folder / "gray.png"]
    for image, brightness in zip(images, (0, 128), strict=True):
        Image.new("L", (80, 80), brightness).save(image)
    told = CliRunner().invoke(command, [str(stage), *map(str, images)], catch_exceptions=False)
    assert told.output.count("\n") == 4 and all(str(image) in told.output for image in images)
    as_json = CliRunner().invoke(command, [str(stage), *map(str, images), "--json"], catch_exceptions=False)
    written = [each["report"] for each in json.loads(as_json.output)]
    assert all(report and "[" not in report and report in told.output for report in written)


def test_heads_start_from_a_term(file):
    stages = small.run(file, "write.budget={steps: 0}", "write.optim=null", "write.stop=null")
    before, after = (load_file(stages[name].folder / "exports" / "objective.safetensors") for name in stages)
    assert after and all(torch.equal(before[f"terms.mlm.{name}"], value) for name, value in after.items())


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("write.objective.init=pretrain", r"write init: pretrain.TERM for that of a term \(mlm, matching\)"),
        ("write.objective.init=pretrain.mml", "has no term 'mml' .* did you mean 'mlm'"),
        ("write.objective.init=pretrain.matching", "it has no tensor 'head.dense.weight'|head.bias"),
        ("write.fusion=concat", "requires 'generate' .* `medvl fits fusion FILE`"),
    ],
)
def test_what_cannot_start_or_write_is_known_before_data_is_read(file, override, words):
    with pytest.raises(ConfigError, match=words):
        check_experiment(read(file, override))

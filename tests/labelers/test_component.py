"""A labeler is a component: named in YAML, in a slot of another component, and written by a third party."""

import re

import numpy as np
import pytest

from medvl import ConfigError
from medvl.labelers.rules import Rules
from medvl.labelers.table import Table
from tests.config.experiments import changed, read, write

# Five lines make a labeler; the evaluator takes any.
PLUGIN = '''
from typing import Annotated

import numpy as np

import medvl


class Shouting(medvl.Labeler):
    findings = ("Edema",)

    def label(self, reports):
        return np.array([["EDEMA" in report] for report in reports], np.int8)


class Efficacy(medvl.Evaluator):
    """Takes any labeler."""

    def __init__(self, data: medvl.DataSpec, *, labeler: Annotated[medvl.Labeler, medvl.Slot("labeler")] = "rules"):
        self.labeler = labeler

    def metrics(self):
        return ()

    def evaluate(self, cases, intervals=True):
        return medvl.Result()

    def table(self, result):
        return [], []


@medvl.hookimpl
def medvl_register(registry):
    registry.register_labeler("shouting", Shouting)
    registry.register_evaluator("efficacy", Efficacy)
'''


@pytest.fixture
def labeler_of(tmp_path):
    """From what an experiment says of an evaluator to the labeler that it was built with."""
    (tmp_path / "mine.py").write_text(PLUGIN)

    def built(evaluator):
        text = changed(
            ("plugins: [moco_cxr, mmbt]", "plugins: [moco_cxr, mmbt, ./mine.py]"),
            ("- {name: multilabel, split: test}", f"- {evaluator}"),
        )
        stage = read(write(tmp_path, text)).stages["finetune"]
        return stage.evaluate[0].build(data=None).labeler

    return built


def test_the_default_is_built_from_its_name(labeler_of):
    assert isinstance(labeler_of("efficacy"), Rules)


def test_a_table_lies_relative_to_the_experiment(labeler_of, tmp_path):
    (tmp_path / "labels.csv").write_text("Reports,Edema\nClear.,0\n")
    table = labeler_of("{name: efficacy, labeler: {name: table, path: labels.csv}}")
    assert isinstance(table, Table) and table.label(["Clear."]).tolist() == [[0]]


def test_a_third_party_writes_one(labeler_of):
    labeler = labeler_of("{name: efficacy, labeler: shouting}")
    np.testing.assert_array_equal(labeler.label(["EDEMA!", "edema"]), [[1], [0]])


def test_an_unknown_one_is_told_what_is_known(labeler_of):
    with pytest.raises(ConfigError, match=re.escape("unknown labeler 'rule'")) as caught:
        labeler_of("{name: efficacy, labeler: rule}")
    assert "known: rules, shouting, table" in str(caught.value)

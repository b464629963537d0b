"""Uncertain mentions as a class of their own: learned, and left out of what is judged."""

import numpy as np
import pytest
from safetensors.torch import load_file

from medvl.datasets.phantom.dataset import Phantom
from medvl.engine.load import Predictor
from medvl.runs.predictions import read_predictions
from tests import small

STAGE = small.PLAIN_STAGE | {
    "data": small.PHANTOM | {"text": "indication", "labels": "multi_class"},
    "objective": {"name": "multilabel", "loss": "three_class"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    outcomes = small.run(small.write(tmp_path_factory.mktemp("uncertain"), small.experiment(only=STAGE)))
    return outcomes["only"].folder


def test_uncertain_cases_are_predicted_and_not_judged(folder):
    found = read_predictions(folder / "predictions" / "test.parquet")
    table = Phantom(patients=small.PATIENTS, resolution=64).table()
    said = np.stack([table.column(f"label.{name}").to_numpy()[found.cases.rows] for name in found.labels], 1)
    assert (said == -1).any()
    expected = np.where(said == -1, np.nan, np.nan_to_num(said))
    np.testing.assert_array_equal(found.cases.fields["labels"], expected)
    assert np.isfinite(found.cases.outputs["logits"]).all() and found.cases.outputs["logits"].shape == expected.shape


def test_the_head_has_three_logits_a_finding(folder):
    assert len(load_file(folder / "exports" / "head.safetensors")["1.weight"]) == 3 * len(Phantom.labels)


def test_whoever_reads_its_probabilities_is_told_what_they_are_of(folder):
    told = "probabilities are those of present against absent"
    assert told in (folder / "results-multilabel-test.md").read_text()
    assert told in Predictor.load(folder).cautions[0]


def test_a_class_that_no_case_has_is_told(tmp_path):
    stage = STAGE | {"data": STAGE["data"] | {"labels": {"policy": "multi_class", "names": ["No Finding"]}}}
    outcomes = small.run(small.write(tmp_path, small.experiment(only=stage)))
    assert "no training case has any" in " ".join(outcomes["only"].notes)

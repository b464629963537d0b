"""Patients on two sides, labels that cannot be measured, mined labels; what is accepted stays silent."""

import numpy as np
import pyarrow as pa
import pytest

from medvl.data.draw import splits_of
from medvl.data.lints.finding import LINTS
from medvl.data.lints.mined_labels import labels_mined_from_input
from medvl.data.lints.patient_sides import patients_on_two_sides
from medvl.data.lints.suite import before_reading, splits_as_they_are
from medvl.data.lints.undefined import undefined_metrics
from medvl.data.selection import Selection
from medvl.datasets.phantom.dataset import Phantom
from medvl.errors import ConfigError, DataError

TABLE = pa.table({"patient": ["ann", "ann", "bob", "bob"], "split": ["train", "test", "val", "val"]})


def test_patients_on_two_sides_by_hash():
    (finding,) = patients_on_two_sides(TABLE, np.array([0, 2, 1, 1], np.int8), "patient")
    assert finding.severity == "error" and "1 of 2 patients" in finding.message
    assert "ann" not in finding.sentence()
    assert patients_on_two_sides(TABLE, np.array([0, 0, 1, 1], np.int8), "patient") == []
    assert patients_on_two_sides(TABLE, np.array([0, -1, 1, 1], np.int8), "patient") == []


def test_patients_on_two_sides_can_be_accepted_and_are_refused_otherwise():
    with pytest.raises(DataError, match="two sides"):
        splits_of(TABLE, Selection(), 0)
    assert splits_of(TABLE, Selection(accept=("patient_on_two_sides",)), 0).tolist() == [0, 2, 1, 1]
    assert splits_as_they_are(TABLE, Selection(expect={"train": 9}), 0).tolist() == [0, 2, 1, 1]


def test_labels_without_positives_or_negatives():
    (finding,) = undefined_metrics((0, 3, 5), (4, 0, 5), ("Edema", "Hernia", "Mass"), "test")
    assert "test has no positive case of Edema and no negative case of Hernia" in finding.message
    assert undefined_metrics((1,), (1,), ("Edema",), "test") == []


def test_labels_mined_from_one_of_the_sections_that_are_read():
    (finding,) = labels_mined_from_input(("findings", "impression"), ("indication", "impression"))
    assert "mined from findings and impression, and the model reads impression" in finding.message
    assert labels_mined_from_input(("findings",), ("indication",)) == []
    assert labels_mined_from_input((), ("findings",)) == []


def lints(*, accept=(), text="findings", reads_text=True, reads_labels=True, mirroring=("image",)):
    found = before_reading(
        Phantom(), Selection(text=text, accept=accept), reads_text=reads_text, reads_labels=reads_labels,
        mirroring=mirroring,
    )  # fmt: skip
    return [finding.lint for finding in found]


def test_what_parameters_alone_show():
    assert lints() == ["flip_with_text", "label_in_text"]
    assert lints(accept=("flip_with_text",)) == ["label_in_text"]
    assert lints(accept=tuple(LINTS)) == []
    assert lints(text={"longest": ("findings", "impression")}) == ["flip_with_text", "label_in_text"]
    assert lints(text="indication") == lints(text=None) == lints(reads_text=False) == []
    assert lints(reads_labels=False, mirroring=()) == []


def test_only_lints_that_there_are_can_be_accepted():
    with pytest.raises(ConfigError, match=r"unknown lint 'flip_with_txt'. did you mean 'flip_with_text'"):
        Selection(accept=("flip_with_txt",))

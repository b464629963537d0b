import numpy as np

from medvl.data.patients import leak_note, patients_of
from tests.data.study_tables import studies


def test_patients_are_codes():
    codes, ids = patients_of(studies([5, 7, 5]))
    assert codes.dtype == np.int64 and codes.tolist() == [0, 1, 0]
    assert ids.to_pylist() == ["p5", "p7"]


def test_patients_on_two_sides_are_counted():
    table = studies([1, 1, 2, 3, 3, 4])
    note = leak_note(table, np.array([0, 2, 1, 1, 0, 0], np.int8), "question")
    assert "by question: 2 of 4 patients are on more than one side (2 in train, 1 in val, 1 in test)" in note
    assert "p1" not in note
    assert leak_note(table, np.array([0, -1, 1, 1, -1, 0], np.int8), "question") is None

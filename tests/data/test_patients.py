import numpy as np

from medvl.data.patients import patients_of
from tests.data.study_tables import studies


def test_patients_are_codes():
    codes, ids = patients_of(studies([5, 7, 5]))
    assert codes.dtype == np.int64 and codes.tolist() == [0, 1, 0]
    assert ids.to_pylist() == ["p5", "p7"]

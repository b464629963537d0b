from functools import partial

import numpy as np
import pyarrow as pa

from medvl.data import label_columns
from medvl.data.label_columns import LabelColumns
from medvl.data.label_policy import label_matrix


def test_rows_and_counts_are_those_of_the_whole_matrix(monkeypatch):
    random = np.random.default_rng(0)
    said = {
        f"label.{name}": pa.array(random.integers(-1, 2, 50), pa.int8(), mask=random.random(50) < 0.3) for name in "AB"
    }
    targets = partial(label_matrix, names=("B", "A"), policy="ignore", blank="ignore")
    labels, matrix = LabelColumns(pa.table(said), targets), targets(pa.table(said))
    rows = random.permutation(50)[:31]
    np.testing.assert_array_equal(labels.read(rows), matrix[rows])
    monkeypatch.setattr(label_columns, "ROWS", 7)
    assert labels.count(rows) == (tuple((matrix[rows] == 1).sum(0)), tuple((matrix[rows] == 0).sum(0)))
    assert labels.count(rows[:0]) == ((0, 0), (0, 0))


def test_uncertain_mentions_are_learned_and_not_judged():
    table = pa.table({"label.A": pa.array([1, 0, -1, None], pa.int8())})
    for blank, last in (("zero", 0), ("ignore", np.nan)):
        labels = LabelColumns(table, partial(label_matrix, names=("A",), policy="multi_class", blank=blank))
        np.testing.assert_array_equal(labels.read(np.arange(4))[:, 0], [1, 0, -1, last])
        np.testing.assert_array_equal(labels.judged(np.arange(4))[:, 0], [1, 0, np.nan, last])
        assert labels.count(np.arange(4)) == ((1,), (2,) if blank == "zero" else (1,))


def test_no_labels():
    labels = LabelColumns(pa.table({"view": ["AP"] * 3}).select([]), partial(label_matrix, names=(), policy="none"))
    assert labels.count(np.arange(3)) == ((), ())

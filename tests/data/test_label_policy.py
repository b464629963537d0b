import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.label_policy import MIXES, POLICIES, SIMPLE, label_matrix, labels_of, prevalence
from medvl.data.selection import Selection
from medvl.errors import ConfigError, DataError

FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
said = st.sampled_from([1, 0, -1, None])


def table_of(columns):
    return pa.table({f"label.{name}": pa.array(values, pa.int8()) for name, values in columns.items()})


def target(value, policy, blank):
    """A label's target, one case at a time, word by word of the policies' definitions."""
    if value is None:
        return math.nan if blank == "ignore" else 0
    if value in (0, 1):
        return value
    return {"positive_vs_rest": 0, "zeros": 0, "ones": 1, "ignore": math.nan, "multi_class": -1}[policy]


def five_target(name, value):
    """MRM's lists: blank -> 0; -1 -> 1 for Atelectasis, Edema, Pleural Effusion, else 0."""
    if value == -1:
        return 1 if name in ("Atelectasis", "Edema", "Pleural Effusion") else 0
    return 1 if value == 1 else 0


@settings(deadline=None)
@given(st.lists(st.tuples(said, said, said), max_size=40), st.tuples(*[st.sampled_from(SIMPLE)] * 3), st.booleans())
def test_each_label_follows_its_own_policy(rows, policies, keep_blanks):
    blank = "zero" if keep_blanks else "ignore"
    names = ("A", "B", "C")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    policy = dict(zip(names, policies, strict=True))
    matrix = label_matrix(table_of(columns), ("C", "A"), policy, blank)
    expected = [[target(row[2], policy["C"], blank), target(row[0], policy["A"], blank)] for row in rows]
    np.testing.assert_array_equal(matrix, np.array(expected, np.float32).reshape(-1, 2))


@settings(deadline=None)
@given(st.lists(st.tuples(*[said] * 5), min_size=1, max_size=40))
def test_chexpert_five_is_the_rule_of_mrm(rows):
    table = table_of({name: [row[place] for row in rows] for place, name in enumerate(FIVE)})
    expected = [[five_target(name, value) for name, value in zip(FIVE, row, strict=True)] for row in rows]
    np.testing.assert_array_equal(label_matrix(table, FIVE, "chexpert_five"), expected)


@settings(deadline=None)
@given(st.lists(st.tuples(said, said), max_size=40), st.sampled_from(SIMPLE), st.sampled_from(["zero", "ignore"]))
def test_prevalence_counts_what_the_matrix_holds(rows, policy, blank):
    table = table_of({"A": [row[0] for row in rows], "B": [row[1] for row in rows]})
    matrix = label_matrix(table, ("A", "B"), policy, blank)
    for place, (name, counted) in enumerate(prevalence(table, ("A", "B"), policy, blank).items()):
        column = matrix[:, place]
        assert name == "AB"[place]
        assert counted.positives == (column == 1).sum() and counted.negatives == (column == 0).sum()
        known = column[np.isin(column, (0, 1))]
        np.testing.assert_allclose(counted.share, known.mean() if len(known) else math.nan, rtol=1e-6)


def test_prevalence_of_nothing():
    assert prevalence(table_of({"A": [1]}), ("A",), "none") == {}


def test_a_policy_that_says_nothing_of_a_label_is_refused():
    table = table_of({"Fracture": [1]})
    with pytest.raises(DataError, match="unknown label 'Fracture' of the label policy"):
        label_matrix(table, ("Fracture",), "chexpert_five")
    with pytest.raises(DataError, match="unknown label 'Fracture'"):
        prevalence(table, ("Fracture",), {"Edema": "ones"})


def test_labels_of():
    assert labels_of("ones") is None
    assert labels_of("chexpert_five") == FIVE
    assert labels_of({"B": "ones", "A": "zeros"}) == ("B", "A")
    assert set(MIXES) < set(POLICIES)


def test_a_mix_chooses_its_labels_in_its_order():
    known = ("Edema", "Pleural Effusion", "Fracture", "Consolidation", "Cardiomegaly", "Atelectasis")
    assert Selection(labels="chexpert_five").chosen_labels(known) == FIVE
    some = Selection(labels={"policy": "chexpert_five", "names": ["Edema", "Atelectasis"]})
    assert some.chosen_labels(known) == ("Edema", "Atelectasis")
    own = Selection(labels={"policy": {"Fracture": "ignore", "Edema": "ones"}, "blank": "ignore"})
    assert own.chosen_labels(known) == ("Fracture", "Edema")
    with pytest.raises(ConfigError, match=r"unknown label 'Pleural Effusion'. did you mean 'Effusion'"):
        Selection(labels="chexpert_five").chosen_labels((*FIVE[:4], "Effusion"))


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ("chexpert_fife", "did you mean 'chexpert_five'"),
        ({"policy": {"Edema": "one"}}, "unknown label policy 'one' of 'Edema'. did you mean 'ones'"),
        ({"policy": {"Edema": "chexpert_five"}}, "unknown label policy 'chexpert_five' of 'Edema'"),
        ({"policy": {}}, "empty mapping"),
        ({"policy": {"Edema": "ones", "Mass": "positive_vs_rest"}, "blank": "ignore"}, "under positive_vs_rest blanks"),
        ({"policy": "chexpert_five", "blank": "ignore"}, "under chexpert_five blanks are 0"),
        ({"policy": "chexpert_five", "names": ["Fracture"]}, "unknown label 'Fracture' of the label policy"),
        ({"policy": {"Edema": "ones"}, "names": ["Edma"]}, "did you mean 'Edema'"),
    ],
)
def test_wrong_policies_are_refused(labels, reason):
    with pytest.raises(ConfigError, match=reason):
        Selection(labels=labels)

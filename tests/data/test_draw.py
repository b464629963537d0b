import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.dataset import SPLITS
from medvl.data.draw import fraction_of, rows_of, splits_of
from medvl.data.patients import id_hash
from medvl.data.selection import Selection
from medvl.errors import ConfigError, DataError
from tests.data.study_tables import studies

many_patients = st.lists(st.integers(0, 40), min_size=1, max_size=200)
seeds = st.integers(0, 1000)
bys = st.sampled_from(["patient", "image"])


@given(many_patients, seeds, bys, st.data())
def test_fractions_are_nested(patients, seed, by, data):
    table, rows = studies(patients), np.arange(len(patients))
    units = np.array(patients) if by == "patient" else rows
    least = 0.51 / len(np.unique(units))
    small, large = sorted(data.draw(st.floats(least, 1)) for _ in range(2))
    few, more = (fraction_of(table, rows, share, by, seed) for share in (small, large))
    assert set(few) <= set(more)
    assert (np.diff(more) > 0).all() and len(few) >= 1
    assert len(np.unique(units[more])) == round(large * len(np.unique(units)))
    if by == "patient":  # whole patients
        assert np.isin(units, units[few]).sum() == len(few)
    np.testing.assert_array_equal(fraction_of(table, rows, 1.0, by, seed), rows)


@settings(deadline=None, max_examples=20)
@given(seeds, bys, st.sampled_from([(0.001, 0.01, 0.1, 1.0), (0.0625, 0.25, 1.0)]))
def test_the_papers_fractions_are_nested_in_the_split_they_are_drawn_from(seed, by, fractions):
    random = np.random.default_rng(seed)
    split = random.choice(SPLITS, 1500, p=[0.8, 0.1, 0.1])  # of patients
    patients = random.integers(0, 1500, 4000)
    table = studies(patients.tolist(), split=split[patients])
    drawn = [
        rows_of(table, "train", Selection(fraction=share, fraction_by=by), seed, splits=None) for share in fractions
    ]
    for few, more in itertools.pairwise(drawn):
        assert set(few) < set(more)
    np.testing.assert_array_equal(drawn[-1], np.flatnonzero(split[patients] == "train"))


@pytest.mark.parametrize("by", ["patient", "image"])
def test_a_fraction_of_nothing_is_refused(by):
    with pytest.raises(DataError, match=f"fraction 0.004 of 100 {by}s is none. do: choose 0.01 or more"):
        fraction_of(studies(range(100)), np.arange(100), 0.004, by, 0)


@given(many_patients, seeds)
def test_drawn_splits_keep_patients_together_and_in_place(patients, seed):
    splits = splits_of(studies(patients), Selection(), seed)
    side = dict(zip(patients, splits, strict=True))
    assert [side[patient] for patient in patients] == splits.tolist()
    grown = splits_of(studies([*patients, 99, 98]), Selection(), seed)
    np.testing.assert_array_equal(grown[: len(patients)], splits)


def test_drawn_splits_have_the_shares():
    table = studies(range(20_000))
    for shares in ({"train": 0.7, "val": 0.1, "test": 0.2}, {"train": 0.5, "test": 0.5}):
        splits = splits_of(table, Selection(splits=shares), seed=3)
        found = np.bincount(splits, minlength=3) / len(splits)
        np.testing.assert_allclose(found, [shares.get(name, 0) for name in SPLITS], atol=0.01)
    assert (splits_of(table, Selection(), 0) != splits_of(table, Selection(), 1)).any()


def test_own_split_is_used():
    table = studies([1, 2, 3, 3], split=["train", "val", "test", "test"])
    assert splits_of(table, Selection(), 0).tolist() == [0, 1, 2, 2]
    assert rows_of(table, "test", Selection(), 0).tolist() == [2, 3]
    with pytest.raises(DataError, match="split of its own"):
        splits_of(table, Selection(splits={"train": 1.0}), 0)


def test_a_patient_on_two_sides_is_refused_without_naming_the_id():
    table = studies([1, 1, 2, 3, 3], split=["train", "test", "val", "val", "train"])
    with pytest.raises(DataError, match="2 patients are on two sides") as caught:
        splits_of(table, Selection(), 0)
    assert f"{id_hash('p1')} in train and test" in str(caught.value)
    assert "p1" not in str(caught.value).replace(id_hash("p1"), "").replace(id_hash("p3"), "")


def test_a_split_by_image_may_share_patients():
    table = studies([1, 1, 2], split=["train", "test", "val"])
    assert splits_of(table, Selection(), 0, split_by="image").tolist() == [0, 2, 1]


def test_expected_counts():
    table = studies([1, 2, 3], split=["train", "train", "test"])
    splits_of(table, Selection(expect={"train": 2, "test": 1}), 0)
    with pytest.raises(DataError, match=r"train: asked 2, found 2\n.*val: asked 1, found 0"):
        splits_of(table, Selection(expect={"train": 2, "val": 1}), 0)


def test_expected_counts_of_a_paper():
    table, presets = studies([1, 2, 3], split=["train", "train", "test"]), {"kiela2019": {"train": 2}}
    splits_of(table, Selection(expect="kiela2019"), 0, presets=presets)
    with pytest.raises(DataError, match="train: asked 2, found 1"):
        splits_of(table.slice(1), Selection(expect="kiela2019"), 0, presets=presets)
    with pytest.raises(ConfigError, match="did you mean 'kiela2019'"):
        splits_of(table, Selection(expect="kiela2018"), 0, presets=presets)


COHORT = {
    "split": ["train", "train", "train", "test", "test"],
    "view": ["AP", "PA", "LATERAL", "AP", None],
    "text.findings": ["clear", None, "clear", None, "clear"],
    "text.impression": [None, "normal", None, None, None],
}


@pytest.mark.parametrize(
    ("keys", "train", "test"),
    [
        ({"only": {"view": ["AP", "PA"]}}, [0, 1], [3]),
        ({"only": {"view": "AP"}}, [0], [3]),
        ({"only": {"text": "present"}, "text": "findings"}, [0, 2], [4]),
        ({"only": {"text": "present"}, "text": {"longest": ["findings", "impression"]}}, [0, 1, 2], [4]),
    ],
)
def test_a_cohort_is_cut_from_all_splits_before_they_are_counted(keys, train, test):
    table = studies([1, 2, 3, 4, 5], **COHORT)
    selection = Selection(**keys, expect={"train": len(train), "test": len(test)})
    assert rows_of(table, "train", selection, 0).tolist() == train
    assert rows_of(table, "test", selection, 0).tolist() == test


def test_a_view_that_no_image_has_is_refused():
    with pytest.raises(
        DataError, match=r"only: unknown view 'LATERL'. did you mean 'LATERAL'\? known: AP, LATERAL, PA"
    ):
        splits_of(studies(range(5), **COHORT), Selection(only={"view": ["AP", "LATERL"]}), 0)


def test_a_cohort_of_nobody_is_said():
    selection = Selection(only={"view": "PA"})
    with pytest.raises(DataError, match=r"split 'test' has no readable case \(cases: train 1, val 0, test 0\)"):
        rows_of(studies(range(5), **COHORT), "test", selection, 0)


def test_fraction_cuts_only_the_split_to_learn_from():
    table = studies(range(100), split=["train"] * 50 + ["test"] * 50)
    selection = Selection(fraction=0.1)
    assert len(rows_of(table, "train", selection, 0)) == 5
    assert len(rows_of(table, "test", selection, 0)) == 50


def test_unreadable_images_are_left_out_after_the_draw():
    table = studies(range(100), split=["train"] * 100)
    selection = Selection(fraction=0.5)
    rows = rows_of(table, "train", selection, 0)
    good = np.ones(100, bool)
    good[rows[:3]] = False
    np.testing.assert_array_equal(rows_of(table, "train", selection, 0, good), rows[3:])


def test_an_empty_split_is_said():
    table = studies([1, 2], split=["train", "train"])
    with pytest.raises(DataError, match=r"split 'test' has no readable case \(cases: train 2, val 0, test 0\)"):
        rows_of(table, "test", Selection(), 0)


def test_large_strings_are_drawn_like_others():
    table = studies(range(300))
    large = table.set_column(0, "image", table["image"].cast(pa.large_string()))
    for by in ("image", "patient"):
        few, same = (fraction_of(each, np.arange(300), 0.2, by, 1) for each in (table, large))
        np.testing.assert_array_equal(few, same)

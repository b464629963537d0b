import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.dataset import SPLITS
from medvl.data.decode import Decode
from medvl.data.label_policy import label_matrix
from medvl.data.patients import id_hash, keyed_hashes, patients_of
from medvl.data.selection import Selection, fraction_of, ids_hash, rows_of, splits_of, texts_of
from medvl.errors import ConfigError, DataError


def studies(patients, **columns):
    """A study table with an image for each entry of `patients`."""
    images = [f"{place}.png" for place in range(len(patients))]
    return pa.table({"image": images, "patient": [f"p{patient}" for patient in patients], **columns})


many_patients = st.lists(st.integers(0, 40), min_size=1, max_size=200)
seeds = st.integers(0, 1000)


@given(many_patients, seeds, st.sampled_from(["patient", "image"]), st.data())
def test_fractions_are_nested(patients, seed, by, data):
    table, rows = studies(patients), np.arange(len(patients))
    small, large = sorted(data.draw(st.floats(0.001, 1)) for _ in range(2))
    few, more = (fraction_of(table, rows, share, by, seed) for share in (small, large))
    assert set(few) <= set(more)
    assert (np.diff(more) > 0).all() and len(few) >= 1
    units = np.array(patients) if by == "patient" else rows
    assert len(np.unique(units[more])) == max(1, round(large * len(np.unique(units))))
    if by == "patient":  # whole patients
        assert np.isin(units, units[few]).sum() == len(few)
    np.testing.assert_array_equal(fraction_of(table, rows, 1.0, by, seed), rows)


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


def test_hashes_are_fixed_for_ever():
    # Splits and fractions of published runs hang on these values.
    assert keyed_hashes(pa.array(["p1", "p2"]), 0, "split").tolist() == [11067555847581460539, 1349715966274945520]


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


def test_expected_counts():
    table = studies([1, 2, 3], split=["train", "train", "test"])
    splits_of(table, Selection(expect={"train": 2, "test": 1}), 0)
    with pytest.raises(DataError, match=r"train: asked 2, found 2\n.*val: asked 1, found 0"):
        splits_of(table, Selection(expect={"train": 2, "val": 1}), 0)


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
    with pytest.raises(DataError, match=r"split 'test' has no readable case \(images: train 2, val 0, test 0\)"):
        rows_of(table, "test", Selection(), 0)


def test_patients_are_codes():
    codes, ids = patients_of(studies([5, 7, 5]))
    assert codes.dtype == np.int64 and codes.tolist() == [0, 1, 0]
    assert ids.to_pylist() == ["p5", "p7"]


MEANING = {  # of 1, 0, -1, blank
    ("positive_vs_rest", "zero"): (1, 0, 0, 0),
    ("zeros", "zero"): (1, 0, 0, 0),
    ("ones", "zero"): (1, 0, 1, 0),
    ("ignore", "zero"): (1, 0, np.nan, 0),
    ("zeros", "ignore"): (1, 0, 0, np.nan),
    ("ones", "ignore"): (1, 0, 1, np.nan),
    ("ignore", "ignore"): (1, 0, np.nan, np.nan),
}


@settings(deadline=None)
@given(st.sampled_from(list(MEANING)), st.lists(st.tuples(*[st.sampled_from([1, 0, -1, None])] * 2), max_size=30))
def test_label_policies(chosen, said):
    columns = {f"label.{name}": pa.array([row[place] for row in said], pa.int8()) for place, name in enumerate("AB")}
    table = studies(range(len(said)), **columns)
    meaning = dict(zip((1, 0, -1, None), MEANING[chosen], strict=True))
    matrix = label_matrix(table, ("B", "A"), *chosen)
    assert matrix.dtype == np.float32
    expected = np.array([[meaning[b], meaning[a]] for a, b in said], np.float32).reshape(-1, 2)
    np.testing.assert_array_equal(matrix, expected)


def test_no_labels():
    assert label_matrix(studies([1, 2]), (), "none").shape == (2, 0)


def test_unknown_label_column():
    table = studies([1], **{"label.Edema": pa.array([1], pa.int8())})
    with pytest.raises(DataError, match=r"did you mean 'Edema'\?"):
        label_matrix(table, ("Edma",), "ones")


def test_chosen_labels():
    known = ("Edema", "Mass", "Nodule")
    assert Selection().chosen_labels(known) == known
    assert Selection(labels="none").chosen_labels(known) == ()
    picked = Selection(labels={"policy": "ones", "names": ["Nodule", "Edema"], "blank": "ignore"})
    assert (picked.policy, picked.blank) == ("ones", "ignore")
    assert picked.chosen_labels(known) == ("Nodule", "Edema")
    with pytest.raises(ConfigError, match=r"did you mean 'Nodule'\?"):
        Selection(labels={"names": ["Nodul"]}).chosen_labels(known)


@pytest.mark.parametrize(
    ("given_keys", "said"),
    [
        ({"split": "tran"}, "did you mean 'train'"),
        ({"labels": "one"}, "did you mean 'ones'"),
        ({"labels": {"polcy": "ones"}}, "did you mean 'policy'"),
        ({"labels": {"policy": "ones", "blank": "zeros"}}, "did you mean 'zero'"),
        ({"labels": {"policy": "positive_vs_rest", "blank": "ignore"}}, "under positive_vs_rest"),
        ({"labels": {"names": ["A", "A"]}}, "'A' is named twice"),
        ({"fraction": 0}, "share in"),
        ({"fraction": 1.5}, "share in"),
        ({"fraction_by": "study"}, "known: image, patient"),
        ({"splits": {"train": 0.7, "test": 0.2}}, "sum to 1"),
        ({"splits": {"train": 0.7, "dev": 0.3}}, "splits: unknown split 'dev'"),
        ({"expect": {"tests": 3}}, "expect: unknown split 'tests'"),
        ({"fit": "squash"}, "known: crop, pad, stretch"),
        ({"max_bad": -1}, "max_bad"),
    ],
)
def test_wrong_keys_are_refused(given_keys, said):
    with pytest.raises(ConfigError, match=said):
        Selection(**given_keys)


def test_all_problems_come_at_once():
    with pytest.raises(ConfigError) as caught:
        Selection(split="tran", fraction=2, fit="squash")
    assert len(caught.value.problems) == 3


def test_texts():
    table = studies([1, 2], **{"text.findings": ["clear", None], "text.indication": pa.nulls(2, pa.string())})
    assert texts_of(table, "findings") == ["clear", ""]
    with pytest.raises(DataError, match="empty in all 2 rows"):
        texts_of(table, "indication")
    with pytest.raises(DataError, match=r"did you mean 'findings'\?"):
        texts_of(table, "finding")


def test_ids_hash_follows_rows_and_order():
    rows = np.array([3, 1, 2])
    assert ids_hash(rows) == ids_hash(rows.astype(np.int32))
    assert len({ids_hash(rows), ids_hash(np.sort(rows)), ids_hash(rows[:2])}) == 3


def test_decode_settings():
    assert Selection().decode == Decode()
    assert Selection(decode={"window": 1}).decode == Decode(window=1)
    with pytest.raises(ConfigError, match=r"(?s)2 problems.*jpeg2000.*half.*fraction is 3") as caught:
        Selection(decode={"jpeg2000": "half"}, fraction=3)
    assert len(caught.value.problems) == 2

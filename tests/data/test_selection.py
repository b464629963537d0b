import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvl.data.decode import Decode
from medvl.data.label_policy import label_matrix
from medvl.data.selection import Selection
from medvl.datasets.phantom.dataset import Phantom
from medvl.errors import ConfigError, DataError
from tests.data.study_tables import studies

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
        ({"text": {"longst": ["findings"]}}, "did you mean 'longest'"),
        ({"text": {}}, "one rule with its sections"),
        ({"only": {"veiw": "AP"}}, "did you mean 'view'"),
        ({"only": {"view": []}}, "names no view"),
        ({"only": {"text": "absent"}, "text": "findings"}, "can be 'present'"),
        ({"only": {"text": "present"}}, "no `text` is chosen"),
    ],
)
def test_wrong_keys_are_refused(given_keys, said):
    with pytest.raises(ConfigError, match=said):
        Selection(**given_keys)


def test_all_problems_come_at_once():
    with pytest.raises(ConfigError) as caught:
        Selection(split="tran", fraction=2, fit="squash")
    assert len(caught.value.problems) == 3


def test_cohorts_and_texts_as_yaml_has_them():
    assert Selection(only={"view": "AP"}).views == ("AP",)
    chosen = Selection(text={"join": ["findings", "impression"]}, only={"view": ["AP", "PA"], "text": "present"})
    assert chosen.views == ("AP", "PA") and chosen.with_text
    assert (chosen.text_rule.how, chosen.text_rule.sections) == ("join", ("findings", "impression"))
    assert Selection().text_rule is None and not Selection().with_text


class Known(Phantom):
    expectations = {"moon2022": {"train": 7}}


def test_what_a_dataset_does_not_have_is_found_without_reading_it():
    fits = Selection(text={"longest": ["findings", "impression"]}, labels={"names": ["Edema"]}, expect="moon2022")
    assert fits.unfit(Known(), "known") == []
    wrong = Selection(text={"first": ["finding", "impression"]}, labels={"names": ["Edma"]}, expect="moon2020")
    problems = wrong.unfit(Known(), "known")
    assert len(problems) == 3
    for word, problem in zip(("findings", "Edema", "moon2022"), problems, strict=True):
        assert f"did you mean '{word}'?" in problem


def test_expected_counts_are_given_or_named():
    assert Selection(expect={"train": 2}).expected({}) == {"train": 2}
    assert Selection(expect="moon2022").expected(Known.expectations) == {"train": 7}
    assert Selection().expected(Known.expectations) == {}


def test_decode_settings():
    assert Selection().decode == Decode()
    assert Selection(decode={"window": 1}).decode == Decode(window=1)
    with pytest.raises(ConfigError, match=r"(?s)2 problems.*jpeg2000.*half.*fraction is 3") as caught:
        Selection(decode={"jpeg2000": "half"}, fraction=3)
    assert len(caught.value.problems) == 2


def test_masks_are_those_that_are_asked_for():
    known = ("Effusion", "Pneumothorax", "Lungs")
    assert Selection().chosen_masks(known) == known
    assert Selection(mask="Lungs").chosen_masks(known) == ("Lungs",)
    assert Selection(mask=("Lungs", "Effusion")).chosen_masks(known) == ("Lungs", "Effusion")
    with pytest.raises(ConfigError, match=r"unknown mask 'Lung'.* did you mean 'Lungs'"):
        Selection(mask="Lung").chosen_masks(known)
    with pytest.raises(ConfigError, match="mask: 'Lungs' is named twice"):
        Selection(mask=("Lungs", "Lungs")).chosen_masks(known)
    assert any("unknown mask" in problem for problem in Selection(mask="Lung").unfit(Phantom(patients=1), "phantom"))

import pyarrow as pa
import pytest

from medvl.datasets.covid19_image_collection.findings import FINDINGS, finding_states


def states_of(cell):
    decided, states = finding_states(pa.chunked_array([[cell]], pa.string()))
    return bool(decided[0]), {name: states[name][0].as_py() for name in FINDINGS}


def test_both_spellings_say_the_same():
    early, late = states_of("COVID-19"), states_of("Pneumonia/Viral/COVID-19")
    assert early == late
    assert {name for name, state in early[1].items() if state == 1} == {"Pneumonia", "Viral", "COVID-19"}
    assert set(early[1].values()) == {0, 1}


@pytest.mark.parametrize(
    ("cell", "present", "unknown"),
    [
        ("COVID-19, ARDS", {"Pneumonia", "Viral", "COVID-19", "ARDS"}, set()),
        (
            "Pneumonia",
            {"Pneumonia"},
            {"Viral", "COVID-19", "SARS", "Bacterial", "Streptococcus", "Fungal", "Pneumocystis"},
        ),
        ("Pneumonia/Viral", {"Pneumonia", "Viral"}, {"COVID-19", "SARS"}),
        ("Pneumonia/Viral/Herpes ", {"Pneumonia", "Viral"}, set()),
        ("Pneumonia/Bacterial/Staphylococcus/MRSA", {"Pneumonia", "Bacterial"}, set()),
        ("Streptococcus", {"Pneumonia", "Bacterial", "Streptococcus"}, set()),
        ("No Finding", {"No Finding"}, set()),
        ("Tuberculosis", {"Tuberculosis"}, set()),
        ("A name of tomorrow", set(), set()),
    ],
)
def test_what_is_implied_and_what_stays_open(cell, present, unknown):
    decided, states = states_of(cell)
    assert decided
    assert {name for name, state in states.items() if state == 1} == present
    assert {name for name, state in states.items() if state is None} == unknown


@pytest.mark.parametrize("cell", [None, "todo", "Unknown", "unknown", ", "])
def test_undecided_rows(cell):
    assert not states_of(cell)[0]


def test_rows_keep_their_places():
    column = pa.chunked_array([["SARS", None], ["COVID-19", "SARS"]])
    decided, states = finding_states(column)
    assert decided.tolist() == [True, False, True, True]
    assert states["SARS"].take(pa.array([0, 2, 3])).to_pylist() == [1, 0, 1]

"""The probe for labels that the input says in words."""

import numpy as np
import pyarrow as pa
import pytest

from medvl.data.lints.label_words import SAMPLE, labels_said_in_text, sampled, words_of
from medvl.data.texts import TextRule, Texts
from medvl.datasets.phantom.dataset import Phantom


def texts(said, marked, label="Pleural Effusion"):
    table = pa.table({"text.t": said, f"label.{label}": pa.array(marked, pa.int8())})
    return Texts(table, TextRule(("t",)))


def found(said, marked, label="Pleural Effusion"):
    return labels_said_in_text(texts(said, marked, label), np.arange(len(said)), [label])


SICK, WELL = "Small pleural effusions.", "The lungs are clear."


def test_words_that_come_with_the_label():
    (finding,) = found([SICK] * 20 + [WELL] * 40, [1] * 20 + [0] * 40)
    assert finding.lint == "label_in_text"
    assert "Pleural Effusion (right 100%, of all 100%)" in finding.message


def test_uncertain_mentions_are_said_in_words_too():
    assert found([SICK] * 20 + [WELL] * 40, [-1] * 20 + [None] * 40)


@pytest.mark.parametrize(
    "denied", ["No pleural effusion.", "Lungs clear without focal opacity or effusion", "Please evaluate for effusion"]
)
def test_what_is_denied_or_asked_is_not_said(denied):
    assert not found([denied] * 40 + [WELL] * 40, [1] * 40 + [0] * 40)


def test_a_denial_ends_with_its_clause():
    assert found(["No edema. Large effusion."] * 20 + [WELL] * 40, [1] * 20 + [0] * 40)


def test_words_that_are_no_better_than_chance_are_no_leak():
    half = [1, 0] * 30
    assert not found([SICK] * 60, half)
    assert not found([SICK] * 60, [1] * 57 + [0] * 3)  # nearly all have it: any word would do


def test_a_few_words_or_a_small_part_of_the_cases_prove_nothing():
    assert not found([SICK] * 9 + [WELL] * 40, [1] * 9 + [0] * 40)
    assert not found([SICK] * 10 + [WELL] * 90, [1] * 60 + [0] * 40)


def test_the_phantoms_reports_give_labels_away_and_its_indications_do_not():
    dataset = Phantom(patients=400)
    table = dataset.table()
    rows = np.arange(table.num_rows)
    (finding,) = labels_said_in_text(Texts(table, TextRule(("impression",))), rows, dataset.labels)
    assert "Pneumothorax" in finding.message and "Support Devices" in finding.message
    assert labels_said_in_text(Texts(table, TextRule(("indication",))), rows, dataset.labels) == []


def test_names_with_underscores_and_synonyms():
    assert words_of("Pleural_Thickening") == ("pleural thickening", "pleural thicken")
    assert words_of("Oddity") == ("oddity",)


def test_a_sample_is_spread_over_all_rows():
    rows = np.arange(3 * SAMPLE + 5)
    chosen = sampled(rows)
    assert len(chosen) <= SAMPLE and chosen[-1] > 3 * SAMPLE - 5
    assert sampled(rows[:0]).size == 0 and sampled(rows[:7]).tolist() == list(range(7))

"""The rule-based labeler on sentences that anyone can label, and on the phantom's reports, whose labels are known."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medvl import Labeler
from medvl.data.dataset import LABEL_PREFIX, TEXT_PREFIX
from medvl.datasets.chexpert.cells import LABELS
from medvl.datasets.phantom.dataset import Phantom
from medvl.evaluate.labelling import confusion
from medvl.labelers import vocabulary
from medvl.labelers.cues import FINDING_RULES, STRUCTURE_RULES
from medvl.labelers.rules import Rules

POSITIVE, NEGATIVE, UNCERTAIN, NOT_MENTIONED = 1, 0, -1, 2


@pytest.fixture(scope="module")
def rules():
    return Rules()


def read(rules, report):
    """Finding -> state, of those that are mentioned."""
    labels = dict(zip(rules.findings, rules.label([report])[0].tolist(), strict=True))
    return {name: state for name, state in labels.items() if state != NOT_MENTIONED and name != "No Finding"}


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("Small left pleural effusion.", {"Pleural Effusion": 1}),
        ("No pleural effusion or pneumothorax.", {"Pleural Effusion": 0, "Pneumothorax": 0}),
        ("No focal consolidation, effusion, or edema.", {"Consolidation": 0, "Pleural Effusion": 0, "Edema": 0}),
        ("There is no pneumothorax but a moderate effusion.", {"Pneumothorax": 0, "Pleural Effusion": 1}),
        ("No pneumothorax with stable atelectasis.", {"Pneumothorax": 0, "Atelectasis": 1}),
        ("No opacity consistent with pneumonia.", {"Lung Opacity": 0, "Pneumonia": 0}),
        ("Small effusion, pneumothorax is not seen.", {"Pleural Effusion": 1, "Pneumothorax": 0}),
        ("The previous edema has resolved.", {"Edema": 0}),
        ("No change in the left lower lobe consolidation.", {"Consolidation": 1}),
        ("A tiny pneumothorax cannot be excluded.", {"Pneumothorax": -1}),
        ("Opacity, pneumonia cannot be ruled out.", {"Lung Opacity": 1, "Pneumonia": -1}),
        ("Opacity which may represent atelectasis or pneumonia.",
         {"Lung Opacity": 1, "Atelectasis": -1, "Pneumonia": -1}),
        ("No opacity to suggest pneumonia.", {"Lung Opacity": 0, "Pneumonia": 0}),
        ("Atelectasis versus pneumonia at the base.", {"Atelectasis": -1, "Pneumonia": -1}),
        ("Heart size is normal.", {"Cardiomegaly": 0}),
        ("The heart is mildly enlarged.", {"Cardiomegaly": 1}),
        ("The heart is not enlarged.", {"Cardiomegaly": 0}),
        ("The heart is possibly enlarged.", {"Cardiomegaly": -1}),
        ("Borderline heart size.", {"Cardiomegaly": -1}),
        ("Heart size is at the upper limits of normal.", {"Cardiomegaly": 0}),
        ("Stable heart.", {}),
        ("The heart is enlarged, mediastinal contours are normal.",
         {"Cardiomegaly": 1, "Enlarged Cardiomediastinum": 0}),
        ("Cardiac and mediastinal contours are unremarkable.", {"Cardiomegaly": 0, "Enlarged Cardiomediastinum": 0}),
        ("Opacity along the left heart border.", {"Lung Opacity": 1}),
        ("Small pericardial effusion.", {}),
        ("Left hydropneumothorax.", {"Pneumothorax": 1, "Pleural Effusion": 1}),
        ("Right central line. No lines or tubes otherwise.", {"Support Devices": 1}),
        ("Old rib fractures. Pleural thickening. Calcified nodule.",
         {"Fracture": 1, "Pleural Other": 1, "Lung Lesion": 1}),
        ("Mild heart failure.", {"Edema": 1, "Cardiomegaly": -1}),
        ("Cardiomegaly with heart failure.", {"Edema": 1, "Cardiomegaly": 1}),
        ("No heart failure.", {"Edema": 0}),
    ],
)  # fmt: skip
def test_what_a_sentence_says(rules, report, expected):
    assert read(rules, report) == expected
    assert read(rules, report.upper()) == expected


@pytest.mark.parametrize(
    "report",
    ["No effusion\n\nEdema", "1. No effusion 2. Edema", "1) No effusion 2) Edema", "No\neffusion.\r\n Edema."],
)
def test_lines_wrap_and_lists_end_sentences(rules, report):
    assert read(rules, report) == {"Pleural Effusion": 0, "Edema": 1}


def test_no_finding_is_what_the_chexpert_labeler_means_by_it(rules):
    at = LABELS.index("No Finding")
    reports = ["Lungs are clear.", "No edema. Pacemaker.", "Possible edema.", "Edema.", "", " \n "]
    expected = [POSITIVE, POSITIVE, NOT_MENTIONED, NOT_MENTIONED, NOT_MENTIONED, NOT_MENTIONED]
    assert rules.label(reports)[:, at].tolist() == expected


def test_labels_have_a_row_a_report_and_a_column_a_finding(rules):
    labels = rules.label(["Edema.", "Mass."])
    assert isinstance(rules, Labeler) and rules.findings == LABELS
    assert labels.shape == (2, 14) and labels.dtype == np.int8
    assert rules.label([]).shape == (0, 14)


def test_a_report_is_read_the_same_in_any_company(rules):
    reports = ["No edema.", "Edema and a mass.", "Heart size is normal."]
    np.testing.assert_array_equal(rules.label(reports)[::-1], rules.label(reports[::-1]))
    np.testing.assert_array_equal(Rules().label(reports), rules.label(reports))


WORDS = sorted({*vocabulary.FINDINGS["Support Devices"], *vocabulary.STRUCTURES["Cardiomegaly"], *vocabulary.IGNORED,
                *(cue for rule in (*FINDING_RULES.values(), *STRUCTURE_RULES.values())
                  for cue in (*rule.before, *rule.behind, *rule.pseudo, *rule.ends))})  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=25),
    st.sampled_from(["", " ", "\n\n", "-", " - ", ". "]),
)
def test_any_text_is_read(rules, words, between):
    report = between.join(words)
    labels = rules.label([report])
    assert set(labels[0].tolist()) <= {POSITIVE, NEGATIVE, UNCERTAIN, NOT_MENTIONED}
    text, mentions = rules.mentions(report)
    assert all(0 <= mention.start < mention.stop <= len(text) for mention in mentions)


def test_hyphens_may_have_blanks_around_them(rules):
    assert read(rules, "A port - a-cath and a swan -ganz.") == {"Support Devices": 1}


def test_no_phrase_has_two_meanings():
    single = [*vocabulary.FINDINGS.values(), *vocabulary.STRUCTURES.values()]
    phrases = [
        *(phrase for phrases in single for phrase in phrases),
        *vocabulary.SEVERAL, *vocabulary.SEVERAL_STRUCTURES, *vocabulary.IGNORED,
    ]  # fmt: skip
    assert sorted(phrases) == sorted(set(phrases))
    assert set(vocabulary.FINDINGS) == set(LABELS) - {"No Finding"}


def test_mentions_say_where_they_stand(rules):
    text, mentions = rules.mentions("Small  effusion.\nNo edema.")
    assert text == "Small effusion. No edema."
    assert [(text[m.start : m.stop], m.findings, m.state) for m in mentions] == [
        ("effusion", ("Pleural Effusion",), POSITIVE),
        ("edema", ("Edema",), NEGATIVE),
    ]


def test_every_phrase_is_found_as_it_is_written(rules):
    """The tokeniser may cut a phrase in other places within a sentence than alone."""
    for finding, phrases in vocabulary.FINDINGS.items():
        for phrase, state in zip(phrases, read_all(rules, finding, phrases), strict=True):
            assert state == POSITIVE, phrase


def read_all(rules, finding, phrases):
    return rules.label([f"There is {phrase} on the left." for phrase in phrases])[:, LABELS.index(finding)]


def test_it_agrees_with_the_phantoms_labels(rules):
    """Every one of them is read right (benchmarks/labeler.py); the floor leaves room for other sentences."""
    phantom = Phantom(patients=150)
    rows = phantom.table().to_pylist()
    reports = [" ".join(row[TEXT_PREFIX + s] or "" for s in ("findings", "impression")) for row in rows]
    known = np.array([[row[LABEL_PREFIX + name] for name in phantom.labels] for row in rows], float)
    known = np.where(np.isnan(known), NOT_MENTIONED, known).astype(int)
    found = rules.label(reports)[:, [LABELS.index(name) for name in phantom.labels]]
    tables = confusion(known, found)  # (K, 4, 4)
    right = np.trace(tables, axis1=1, axis2=2) / len(reports)
    assert (right > 0.9).all(), dict(zip(phantom.labels, right.tolist(), strict=True))
    by_state = tables.sum(axis=0)
    assert (np.diag(by_state) / by_state.sum(axis=1) > 0.9).all(), by_state.tolist()


def test_a_confusion_table_counts_known_by_row_and_found_by_column():
    known, found = np.array([[1, 0], [1, 2], [-1, 2]]), np.array([[1, 0], [2, 2], [0, -1]])
    tables = confusion(known, found)
    assert tables.sum() == 6
    assert tables[0].tolist() == [[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert tables[1].tolist() == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]

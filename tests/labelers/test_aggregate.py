"""Mentions to labels, by the CheXpert labeler's rules."""

import pytest

from medvl.labelers.aggregate import labels_of
from medvl.labelers.base import Mention

FINDINGS = ("No Finding", "Edema", "Mass", "Support Devices")


def mention(finding, state):
    return Mention(0, 1, (finding,), state)


@pytest.mark.parametrize(
    ("states", "label"), [([1, 0, -1], 1), ([0, -1], -1), ([0, 0], 0), ([-1, 1], 1), ([-1], -1), ([], 2)]
)
def test_the_strongest_mention_wins(states, label):
    found = labels_of([mention("Edema", state) for state in states], FINDINGS)
    assert found[1] == label and found[2] == 2


@pytest.mark.parametrize(
    ("mentions", "no_finding"),
    [
        ([], 1),
        ([("Edema", 0)], 1),
        ([("Support Devices", 1)], 1),
        ([("Edema", -1)], 2),
        ([("Mass", 1), ("Edema", 0)], 2),
    ],
)
def test_no_finding(mentions, no_finding):
    assert labels_of([mention(*each) for each in mentions], FINDINGS)[0] == no_finding


def test_a_blank_report_says_nothing():
    assert labels_of([], FINDINGS, blank=True) == [2, 2, 2, 2]


def test_one_mention_may_name_several_findings():
    assert labels_of([Mention(0, 5, ("Edema", "Mass"), -1)], FINDINGS) == [2, -1, -1, 2]

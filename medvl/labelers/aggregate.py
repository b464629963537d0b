"""From the mentions of a report to its labels, by the CheXpert labeler's rules (Irvin et al., 2019, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medvl.labelers.base import NEGATIVE, NOT_MENTIONED, POSITIVE, UNCERTAIN, Mention

NO_FINDING, DEVICES = "No Finding", "Support Devices"
_STRENGTH = (POSITIVE, UNCERTAIN, NEGATIVE)  # what wins where several mentions of a finding differ


def labels_of(mentions: Iterable[Mention], findings: Sequence[str], *, blank: bool = False) -> list[int]:
    """One report's label of each finding.

    A finding is positive where any mention of it is, else uncertain where any is, else negative; not mentioned where
    none is there. `No Finding` is positive where nothing but support devices is positive or uncertain, and else not
    mentioned; of a blank report, which says nothing, it is not mentioned either.

    Args:
        mentions: of the report.
        findings: names, in the order of the result.
        blank: the report has no word.
    """
    states: dict[str, set[int]] = {}
    for mention in mentions:
        for finding in mention.findings:
            states.setdefault(finding, set()).add(mention.state)
    labels = {finding: next(s for s in _STRENGTH if s in found) for finding, found in states.items()}
    abnormal = any(state != NEGATIVE for finding, state in labels.items() if finding != DEVICES)
    labels[NO_FINDING] = NOT_MENTIONED if abnormal or blank else POSITIVE
    return [labels.get(finding, NOT_MENTIONED) for finding in findings]

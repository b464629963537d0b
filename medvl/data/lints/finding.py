"""What a lint gives, and the names by which a user accepts one knowingly."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

PATIENT_SIDES = "patient_on_two_sides"
SAME_IMAGE = "same_image_twice"
LABEL_IN_TEXT = "label_in_text"
FLIP_WITH_TEXT = "flip_with_text"
UNDEFINED_METRIC = "undefined_metric"

# name -> what it looks for; `accept: [NAME]` under `data:` silences it
LINTS = {
    PATIENT_SIDES: "a patient in two of train, val and test",
    SAME_IMAGE: "the same image listed twice, within a split or across splits",
    LABEL_IN_TEXT: "labels that can be read off the text that is the input",
    FLIP_WITH_TEXT: "radiographs that are mirrored beside text that says left or right",
    UNDEFINED_METRIC: "a label without positive or without negative cases where it is evaluated",
}

SHOWN = 5  # examples of a finding

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that a lint found.

    Attributes:
        lint: its name, of `LINTS`.
        severity: `error` makes results wrong; a `warning` needs a decision.
        message: what was found, with numbers; never a patient's id or a report's words.
        do: what to do about it.
        examples: a few, by hash (`medvl.data.patients.id_hash`).
    """

    lint: str
    severity: Severity
    message: str
    do: str
    examples: tuple[str, ...] = ()

    def sentence(self) -> str:
        """All of it on one line, with the way to accept it."""
        shown = f" (e.g. {', '.join(self.examples)})" if self.examples else ""
        return f"{self.lint}: {self.message}{shown}. do: {self.do}; or accept it knowingly, data.accept=[{self.lint}]"


def not_accepted(findings: Iterable[Finding], accepted: Collection[str]) -> list[Finding]:
    """The findings of lints that the user did not accept, errors first."""
    kept = [finding for finding in findings if finding.lint not in accepted]
    return sorted(kept, key=lambda finding: finding.severity != "error")

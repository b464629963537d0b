"""What a labeler is: from the text of reports to what each says of some findings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

POSITIVE, NEGATIVE, UNCERTAIN, NOT_MENTIONED = 1, 0, -1, 2
STATES = {
    POSITIVE: "positive", NEGATIVE: "negative", UNCERTAIN: "uncertain", NOT_MENTIONED: "not mentioned"
}  # fmt: skip


@dataclass(frozen=True)
class Mention:
    """A phrase of a report that states, denies or doubts findings.

    Attributes:
        start, stop: the characters of the phrase.
        findings: what it names.
        state: 1 positive, 0 negative, -1 uncertain.
    """

    start: int
    stop: int
    findings: tuple[str, ...]
    state: int


class Labeler(ABC):
    """Reads findings from reports. Keyword-only constructor parameters are the YAML's.

    Attributes:
        findings: their names, in the order of the columns that `label` gives.
    """

    findings: tuple[str, ...] = ()

    @abstractmethod
    def label(self, reports: Sequence[str]) -> np.ndarray:
        """What N reports say of K findings: (N, K) int8, 1 positive, 0 negative, -1 uncertain, 2 not mentioned."""

    def mentions(self, report: str) -> tuple[str, list[Mention]] | None:
        """The report as it was read, and the phrases behind its labels; None of a labeler that knows no phrases."""
        return None

"""`rules`: the 14 findings of CheXpert by phrases and ConText rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medvl.datasets.chexpert.cells import LABELS
from medvl.labelers.aggregate import labels_of
from medvl.labelers.base import Labeler, Mention
from medvl.labelers.mentions import MentionReader


class Rules(Labeler):
    """CheXpert's 14 findings by phrases of our own, negation and doubt by ConText's rules, on spaCy and negspacy.

    As the CheXpert labeler (Irvin et al., 2019, section 3) it extracts mentions, classifies them as positive, negative
    or uncertain, and aggregates them. Give it what a radiologist found (findings and impression): an indication's
    "evaluate for pneumonia" is no finding. How fast it is and how well it agrees with known labels is measured by
    `benchmarks/labeler.py`.
    """

    findings = LABELS

    def __init__(self) -> None:
        self._reader = MentionReader()

    def label(self, reports: Sequence[str]) -> np.ndarray:
        """See `Labeler.label`."""
        labels = np.empty((len(reports), len(self.findings)), np.int8)
        for row, (text, mentions) in enumerate(self._reader.read(reports)):
            labels[row] = labels_of(mentions, self.findings, blank=not text)
        return labels

    def mentions(self, report: str) -> tuple[str, list[Mention]]:
        """The report as it was read, and what each of its phrases states: for showing why it was labelled so."""
        return next(self._reader.read([report]))

"""What a model said about findings beside what is known of them, checked once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medvl.errors import DataError
from medvl.evaluate.base import Cases


@dataclass(frozen=True)
class Answers:
    """Labels and logits of N cases and K findings.

    Attributes:
        labels: the findings' names.
        positive: (N, K) boolean, labelled present.
        known: (N, K) boolean, labelled at all.
        logits: (N, K) float.
    """

    labels: tuple[str, ...]
    positive: np.ndarray
    known: np.ndarray
    logits: np.ndarray

    @classmethod
    def of(cls, cases: Cases, labels: tuple[str, ...]) -> Answers:
        """From the `labels` and `logits` of `cases`.

        Raises:
            DataError: a shape other than (N, K), or a label that is neither 0, 1 nor NaN.
        """
        given, logits = np.asarray(cases.fields["labels"]), np.asarray(cases.outputs["logits"])
        expected = (len(cases.rows), len(labels))
        for name, array in (("labels", given), ("logits", logits)):
            if array.shape != expected:
                raise DataError(
                    f"{name} of shape {array.shape} cannot be evaluated: {expected[0]} cases of {expected[1]} findings "
                    f"({', '.join(labels)}) were expected. give one column a finding, in that order"
                )
        known = ~np.isnan(given)
        other = given[known & (given != 0) & (given != 1)]
        if len(other):
            raise DataError(
                f"label {other[0]:g} cannot be evaluated ({len(other)} of {given.size} labels are neither 0, 1 nor "
                "unknown). choose a label policy that decides uncertain labels"
            )
        return cls(labels, given == 1, known, logits)

    @property
    def truth(self) -> np.ndarray:
        """(N, K) int8: 1 present, 0 absent, -1 unknown."""
        return np.where(self.known, self.positive, -1).astype(np.int8)

    @property
    def positives(self) -> np.ndarray:
        """(K,) number of positive cases."""
        return self.positive.sum(axis=0)

    @property
    def negatives(self) -> np.ndarray:
        """(K,) number of negative cases."""
        return (self.known & ~self.positive).sum(axis=0)

    @property
    def defined(self) -> np.ndarray:
        """(K,) boolean: findings with positive and with negative cases."""
        return (self.positives > 0) & (self.negatives > 0)

    @property
    def finite(self) -> bool:
        """Whether no known case has a NaN for a logit."""
        return not np.isnan(self.logits[self.known]).any()

    def notes(self) -> list[str]:
        """Sentences about what the metrics leave out."""
        notes = [f"{name}: no {side} case, undefined" for name, side in self._one_sided()]
        if notes:
            notes.append(f"macro means are over {self.defined.sum()} of {len(self.labels)} findings")
        unknown = (~self.known).sum()
        if unknown:
            notes.append(f"{unknown} of {self.known.size} labels are unknown and left out")
        if not self.finite:
            bad = np.isnan(np.where(self.known, self.logits, 0)).any(axis=1).sum()
            notes.append(
                f"{bad} of {len(self.known)} cases have a logit that is not a number: every metric is undefined"
            )
        return notes

    def _one_sided(self) -> list[tuple[str, str]]:
        sides = zip(self.labels, self.positives, self.negatives, strict=True)
        return [(name, "positive" if not positives else "negative") for name, positives, negatives in sides
                if not positives or not negatives]  # fmt: skip

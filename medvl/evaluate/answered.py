"""Which questions a model answered right, and the groups of questions that accuracies are told of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medvl.data.answers import UNSEEN
from medvl.data.question_table import BETWEEN_TYPES
from medvl.errors import DataError
from medvl.evaluate.base import Cases
from medvl.evaluate.sums import weighted_sums

KINDS = ("closed", "open")


@dataclass(frozen=True)
class Answered:
    """N answered questions in G groups, which may overlap.

    Attributes:
        correct: (N,) boolean; an answer that is no class is never right.
        unseen: (N,) boolean, the true answer is no class.
        first: (N,) boolean, the true answer is the most frequent one in training.
        names: of the groups as metrics: `accuracy`, `accuracy_closed`, ..., `accuracy_chest`, ..., `accuracy/PRES`.
        members: (N, G) boolean.
    """

    correct: np.ndarray
    unseen: np.ndarray
    first: np.ndarray
    names: tuple[str, ...]
    members: np.ndarray

    @classmethod
    def of(cls, cases: Cases, organs: tuple[str, ...] = ()) -> Answered:
        """From `answers`, `kind`, `type` and `organ` of the cases and the predicted `answer`.

        Args:
            cases: of questions.
            organs: which are groups; those that the cases have where none is named.

        Raises:
            DataError: there is no question, or not a class for each.
        """
        truth, given = np.asarray(cases.fields["answers"]), np.asarray(cases.outputs["answer"])
        if not len(truth) or truth.shape != given.shape:
            raise DataError(f"answers {given.shape} of {truth.shape} questions cannot be evaluated. give one for each")
        kind, types, organ = (np.asarray(cases.fields[name], str) for name in ("kind", "type", "organ"))
        groups = {"accuracy": np.ones(len(truth), bool)}
        for name in KINDS:
            groups[f"accuracy_{name}"] = kind == name
        for name in organs or tuple(filter(None, np.unique(organ).tolist())):
            groups[f"accuracy_{name}"] = organ == name
            for of_kind in KINDS:
                groups[f"accuracy_{name}_{of_kind}"] = (organ == name) & (kind == of_kind)
        groups |= {f"accuracy/{name}": members for name, members in _by_type(types).items()}
        unseen = truth == UNSEEN
        correct = (truth == given) & ~unseen
        return cls(correct, unseen, truth == 0, tuple(groups), np.stack(list(groups.values()), axis=1))

    def accuracies(self, weights: np.ndarray) -> np.ndarray:
        """(G, R) shares of right answers under the case weights (N, R); NaN for a group without weight."""
        right = weighted_sums(self.members & self.correct[:, None], weights)
        everything = weighted_sums(self.members, weights)
        return np.divide(right, everything, out=np.full(right.shape, np.nan), where=everything > 0)

    def counts(self, which: np.ndarray) -> dict[str, int]:
        """Group -> how many of its questions are among `which` (N,)."""
        return dict(zip(self.names, (self.members & which[:, None]).sum(axis=0).tolist(), strict=True))


def _by_type(types: np.ndarray) -> dict[str, np.ndarray]:
    """Type -> (N,) boolean; a question may have several."""
    distinct, places = np.unique(types, return_inverse=True)
    parts = [set(filter(None, each.split(BETWEEN_TYPES))) for each in distinct.tolist()]
    return {name: np.array([name in each for each in parts])[places] for name in sorted(set().union(*parts))}

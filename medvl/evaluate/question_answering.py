"""Visual question answering: accuracy of open and closed questions, with bootstrap intervals."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np

from medvl.contract import DataSpec
from medvl.evaluate.answered import KINDS, Answered
from medvl.evaluate.base import Cases, Evaluator, Result
from medvl.evaluate.cells import cell
from medvl.evaluate.draws import digest
from medvl.evaluate.resampling import Resampling

EVERYTHING = "accuracy"
COUNTED = ("questions", "unseen")  # of each group


class QuestionAnswering(Evaluator):
    """How often the answer is right, letter by letter after normalisation (MedViLL, Moon et al., 2022, Table IV).

    An answer that no training question has is no class: such a question is counted as answered wrong, and a note says
    how many there are. Notes also tell what the most frequent training answer would reach, whatever the question.

    - `accuracy`, `accuracy_closed`, `accuracy_open`: of all questions, and of either kind.
    - `accuracy_chest`, `accuracy_chest_closed`, `accuracy_chest_open`, and so on for each organ: of the questions about
      images of it; undefined where the data does not tell the organ.
    - `accuracy/TYPE`: of the questions of each type that the cases have; a question may have several.

    Args:
        data: its first answer is the most frequent in training.
        split: the split it is meant for (`train`, `val`, `test`).
        organs: those that are told apart.
        replicates: bootstrap draws; 0 for no intervals.
        unit: what is drawn: patients with all their questions, or single questions. Of VQA-RAD, whose patients are not
            known, an image counts as one.
        confidence: of the percentile intervals, in (0, 1).
        seed: of the draws.

    Raises:
        ConfigError: a parameter outside its range.
    """

    smoke = MappingProxyType({"replicates": 20})
    reads: ClassVar[tuple[str, ...]] = ("answers",)
    wants = ("answer",)

    def __init__(
        self,
        data: DataSpec,
        *,
        split: str = "test",
        organs: tuple[str, ...] = ("chest",),
        replicates: int = 1000,
        unit: Literal["patient", "case"] = "patient",
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.answers = data.answers
        self.split = split
        self.organs = tuple(organs)
        self.resampling = Resampling("vqa", replicates, unit, confidence, seed)

    def metrics(self) -> tuple[str, ...]:
        """`accuracy`, of both kinds, of each organ; those of types are known with the cases."""
        stems = (EVERYTHING, *(f"{EVERYTHING}_{organ}" for organ in self.organs))
        everything, *organs = [(stem, *(f"{stem}_{kind}" for kind in KINDS)) for stem in stems]
        return sum(organs, everything)

    def evaluate(self, cases: Cases, intervals: bool = True) -> Result:
        """All metrics of `cases`, whose fields are `answers`, `kind`, `type` and `organ`, and `answer` their output.

        Raises:
            DataError: no question, or not a class for each.
        """
        answered = Answered.of(cases, self.organs)
        every = np.ones(len(answered.correct), bool)
        result = Result(notes=self._notes(answered))
        result.counts = {f"questions/{name}": number for name, number in answered.counts(every).items()}
        result.counts |= {f"unseen/{name}": number for name, number in answered.counts(answered.unseen).items()}
        told = {"groups of questions": digest(answered.members)}
        self.resampling.fill(result, answered.names, answered.accuracies, cases, intervals, judged=told)
        return result

    def _notes(self, answered: Answered) -> list[str]:
        unseen, questions = int(answered.unseen.sum()), len(answered.unseen)
        notes = []
        if unseen:
            notes.append(f"{unseen} of {questions} questions have an answer that is no class; they count as wrong")
        always = answered.counts(answered.first)
        sizes = answered.counts(np.ones(questions, bool))
        shares = [f"{_spelled(name)} {always[name] / sizes[name]:.3f}" for name in self.metrics() if sizes[name]]
        return [*notes, f"always answering '{self.answers[0]}', the most frequent in training: {', '.join(shares)}"]

    def table(self, result: Result) -> tuple[list[str], list[list[str]]]:
        """A row a group that has questions: accuracy, number of questions, and of those whose answer is no class."""
        rows = [
            [_spelled(name), cell(result, name), *(str(result.counts[f"{what}/{name}"]) for what in COUNTED)]
            for name in result.metrics
            if result.counts[f"questions/{name}"]
        ]
        return ["questions", "accuracy", "number", "unseen answers"], rows


def _spelled(metric: str) -> str:
    """`all`, `closed`, `chest open`, `PRES`."""
    return metric.removeprefix(EVERYTHING).lstrip("_/").replace("_", " ") or "all"

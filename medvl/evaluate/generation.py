"""Generated reports beside the original ones: overlap of words, and agreement in findings."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np

from medvl.config.schema import Slot
from medvl.contract import DataSpec
from medvl.errors import ConfigError, DataError
from medvl.evaluate.base import Cases, Evaluator, Result
from medvl.evaluate.bootstrap import Weighted
from medvl.evaluate.cells import cell
from medvl.evaluate.draws import digest
from medvl.evaluate.resampling import Resampling
from medvl.evaluate.text_measures import BY_WORDS, TEACHER_FORCED, TextMeasure, by_findings
from medvl.evaluate.words import words_of
from medvl.labelers.base import Labeler
from medvl.models.tokenizer import Tokenizer
from medvl.registry import needs_package

MeasureName = Literal["bleu", "rouge_l", "cider", "meteor"]


class Generation(Evaluator):
    """How well generated reports agree with the original ones (MedViLL, Moon et al., 2022, Table V).

    Both are compared as words of one rule (`medvl.evaluate.words`): lower case, punctuation marks apart and counted,
    whatever pieces the model's tokenizer makes. An original is the case's whole text: what stands behind the
    `max_length` tokens that the model reads of it cannot be matched, and costs brevity and recall. `original: cut`
    compares with the text as the tokenizer cuts it, as papers do that cut texts before everything else; it flatters
    models that write little. Cases without an original text are left out. Empty generated reports count, as 0.

    - `bleu_1` to `bleu_4`: of the corpus, without smoothing. `rouge_l`, `cider`, `meteor`: means over reports
      (`medvl.evaluate.text_scores`).
    - `clinical_accuracy`, `_precision`, `_recall`, `_f1` and `clinical_positive_f1_macro`, `_micro`: what a labeler
      reads from both, where one is given (`medvl.evaluate.clinical_efficacy`).
    - `teacher_forced_bleu_1` to `_4`: BLEU of the words that the model puts behind the original's own words, which is
      what MedViLL's released script computes. It is no score of reports that the model writes.

    Args:
        data: unused; every evaluator is given it.
        tokenizer: of the model's text encoder; turns token ids into words.
        split: the split it is meant for (`train`, `val`, `test`).
        measures: overlap of words: `bleu`, `rouge_l`, `cider`, `meteor`.
        labeler: reads findings from both reports; none for no clinical efficacy.
        teacher_forced: also the teacher-forced BLEU, of an objective that predicts `teacher_forced`.
        original: the `whole` text, or `cut` to the tokenizer's `max_length`.
        replicates: bootstrap draws; 0 for no intervals.
        unit: what is drawn: patients with all their cases, or single cases.
        confidence: of the percentile intervals, in (0, 1).
        seed: of the draws.

    Raises:
        ConfigError: a model without text, a parameter outside its range, or nothing to measure.
        PackageMissing: a measure's package is not installed.
    """

    reads = ("text",)
    wants: tuple[str, ...] = ("report",)
    smoke = MappingProxyType({"replicates": 20})

    def __init__(
        self,
        data: DataSpec,
        tokenizer: Tokenizer | None,
        *,
        split: str = "test",
        measures: tuple[MeasureName, ...] = ("bleu", "rouge_l", "cider"),
        labeler: Annotated[Labeler | None, Slot("labeler")] = None,
        teacher_forced: bool = False,
        original: Literal["whole", "cut"] = "whole",
        replicates: int = 1000,
        unit: Literal["patient", "case"] = "patient",
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        if tokenizer is None:
            raise ConfigError("evaluator 'generation' reads words, and the model has no text slot. add one")
        if len(set(measures)) < len(measures) or not (measures or labeler or teacher_forced):
            asked = ", ".join(measures) or "none"
            raise ConfigError(f"measures of evaluator 'generation': {asked}. name each once, or give a labeler")
        self.tokenizer = tokenizer
        self.split = split
        self.original = original
        self.resampling = Resampling("generation", replicates, unit, confidence, seed)
        written = [BY_WORDS[name] for name in measures]
        written += [] if labeler is None else [by_findings(labeler)]
        every = {"report": written, "teacher_forced": [TEACHER_FORCED] if teacher_forced else []}
        self.measures: dict[str, list[TextMeasure]] = {output: each for output, each in every.items() if each}
        self.wants = tuple(self.measures)
        for measure in written:
            if measure.package:
                needs_package(measure.package, f"evaluator 'generation' with measure '{measure.names[0]}'")

    def metrics(self) -> tuple[str, ...]:
        """The names of all measures, in order."""
        return tuple(name for each in self.measures.values() for measure in each for name in measure.names)

    def evaluate(self, cases: Cases, intervals: bool = True) -> Result:
        """All metrics of `cases`, which hold `text` (N,) and the token ids `report` (N, L), padded.

        Raises:
            DataError: arrays that do not fit.
        """
        originals = words_of(self._originals(cases))
        written = {name: self._words(cases, name) for name in self.wants}
        there = np.flatnonzero([bool(text) for text in originals])
        result = Result(dict.fromkeys(self.metrics(), np.nan), counts={"reports": len(there)})
        if "report" in written:
            reports = [written["report"][at] for at in there]
            result.counts |= {"empty": reports.count(""), "distinct": len(set(reports))}
        result.notes = self._notes(len(originals), result.counts)
        if len(there):
            measure = self._measure(written, originals, there)
            told = {"originals": digest(originals)}
            self.resampling.fill(result, self.metrics(), measure, cases, intervals, positions=there, judged=told)
        return result

    def _measure(self, written: dict[str, list[str]], originals: list[str], there: np.ndarray) -> Weighted:
        """From weights of the cases that are there to all metrics, in the order of their names."""
        kept = [originals[at] for at in there]
        parts = [
            measure.of([written[output][at] for at in there], kept)
            for output, measures in self.measures.items()
            for measure in measures
        ]
        return lambda weights: np.concatenate([part(weights) for part in parts])

    def _originals(self, cases: Cases) -> list[str]:
        texts = cases.fields["text"].tolist()
        if self.original == "whole" or not texts:
            return texts
        ids, offsets = self.tokenizer.encode(texts)
        return [self.tokenizer.decode(row[None])[0] for row in np.split(ids, offsets[1:-1])]

    def _words(self, cases: Cases, output: str) -> list[str]:
        ids = np.asarray(cases.outputs[output])
        if ids.ndim != 2 or len(ids) != len(cases.rows):
            raise DataError(
                f"output '{output}' of shape {ids.shape} holds no reports of {len(cases.rows)} cases. give token ids "
                "(cases, length), padded"
            )
        return words_of(self.tokenizer.decode(ids.astype(np.int64)))

    def _notes(self, cases: int, counts: dict[str, int]) -> list[str]:
        reports, notes = counts["reports"], []
        if "report" in self.wants:
            empty = f", {counts['empty']} empty" if counts["empty"] else ""
            notes.append(f"of {reports} generated reports {counts['distinct']} are distinct{empty}")
        if reports < cases:
            notes.append(f"{cases - reports} of {cases} cases have no original report and are left out")
        if self.original == "cut":
            notes.append(f"originals are cut to {self.tokenizer.max_length} tokens, as what the model learned from")
        return notes + [measure.note for each in self.measures.values() for measure in each if measure.note]

    def table(self, result: Result) -> tuple[list[str], list[list[str]]]:
        """A row a metric."""
        return ["measure", "value"], [[name, cell(result, name)] for name in self.metrics()]

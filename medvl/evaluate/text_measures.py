"""What is measured between generated and original reports: named metrics that can be resampled by case weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medvl.evaluate import text_scores
from medvl.evaluate.bleu import ORDER, bleu, bleu_counts
from medvl.evaluate.bootstrap import Weighted
from medvl.evaluate.clinical_efficacy import METRICS, resampled_efficacy
from medvl.evaluate.sums import weighted_sums
from medvl.labelers.base import Labeler

Texts = Sequence[str]


@dataclass(frozen=True)
class TextMeasure:
    """Some metrics of generated reports.

    Attributes:
        names: of the M metrics.
        of: from N generated and N original reports, words between blanks and no original empty, to a function from
            case weights (N, R) to the metrics (M, R). What is dear is done once, here.
        note: a sentence that a reader must see; empty for none.
        package: the optional package that it needs beside pycocoevalcap; empty for none.
    """

    names: tuple[str, ...]
    of: Callable[[Texts, Texts], Weighted]
    note: str = ""
    package: str = ""


def _bleu(generated: Texts, original: Texts) -> Weighted:
    counts = bleu_counts(generated, original)
    return lambda weights: bleu(weighted_sums(counts, weights))


def _mean_of(score: Callable[[Texts, Texts], np.ndarray]) -> Callable[[Texts, Texts], Weighted]:
    """The mean of a score that each report has by itself."""

    def measure(generated: Texts, original: Texts) -> Weighted:
        scores = score(generated, original)[:, None]  # (N, 1)
        return lambda weights: weighted_sums(scores, weights) / weights.sum(axis=0, dtype=np.float64)

    return measure


_BLEU = tuple(f"bleu_{order}" for order in range(1, ORDER + 1))
BY_WORDS = {
    "bleu": TextMeasure(_BLEU, _bleu),
    "rouge_l": TextMeasure(("rouge_l",), _mean_of(text_scores.rouge_l)),
    "cider": TextMeasure(
        ("cider",), _mean_of(text_scores.cider),
        note="cider: CIDEr-D; how rare words are is counted over this split's original reports and not drawn anew",
    ),
    "meteor": TextMeasure(
        ("meteor",), _mean_of(text_scores.meteor),
        note="meteor: by equal words and stems, without synonyms; not METEOR 1.5", package="nltk",
    ),
}  # fmt: skip
TEACHER_FORCED = TextMeasure(
    tuple(f"teacher_forced_{name}" for name in _BLEU), _bleu,
    note="teacher_forced: each word was predicted from the original report's words before it, so this scores no report "
    "that the model would write",
)  # fmt: skip


def by_findings(labeler: Labeler) -> TextMeasure:
    """Clinical efficacy by what a labeler reads from both reports."""

    def measure(generated: Texts, original: Texts) -> Weighted:
        return resampled_efficacy(labeler.label(original), labeler.label(generated))

    return TextMeasure(METRICS, measure)

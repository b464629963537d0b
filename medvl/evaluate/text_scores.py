"""Scores of single generated reports, whose mean is the corpus's: ROUGE-L, CIDEr and METEOR."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge


def rouge_l(generated: Sequence[str], original: Sequence[str]) -> np.ndarray:
    """(N,) in [0, 1]: F of the longest common subsequence of words (Lin, 2004), recall weighing more, beta 1.2.

    Args:
        generated, original: N texts each, words between blanks; no original is empty.
    """
    score = Rouge().calc_score
    return np.array([score([said], [meant]) for said, meant in zip(generated, original, strict=True)], np.float64)


def cider(generated: Sequence[str], original: Sequence[str]) -> np.ndarray:
    """(N,) in [0, 10]: CIDEr-D (Vedantam et al., 2015, section 8), which COCO's toolkit calls CIDEr.

    How rare an n-gram is, is counted over these originals, so a case's score depends on the others it stands with. Of a
    single case every n-gram is in all originals, and the score is 0.

    Args:
        generated, original: N texts each, words between blanks; no original is empty.
    """
    if not len(generated):
        return np.zeros(0)
    scorer = CiderScorer()
    for said, meant in zip(generated, original, strict=True):
        scorer += (said, [meant])
    return np.asarray(scorer.compute_score()[1], np.float64)


def meteor(generated: Sequence[str], original: Sequence[str]) -> np.ndarray:
    """(N,) in [0, 1]: METEOR (Banerjee and Lavie, 2005) by equal words and equal stems, with NLTK's parameters.

    It knows no synonyms: they would come from WordNet, whose files NLTK would have to download. So it is neither METEOR
    with synonyms nor METEOR 1.5 of the Java program, and to be compared with itself alone.

    Args:
        generated, original: N texts each, words between blanks.
    """
    from nltk.translate.meteor_score import single_meteor_score

    return np.array(
        [
            single_meteor_score(meant.split(), said.split(), wordnet=_NoSynonyms())
            for said, meant in zip(generated, original, strict=True)
        ],
        np.float64,
    )


class _NoSynonyms:
    """In WordNet's place."""

    def synsets(self, word: str) -> tuple[()]:
        return ()

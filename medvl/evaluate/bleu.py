"""BLEU of a corpus from counts that add up over cases, so that a bootstrap needs to count once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import cook_refs, cook_test

from medvl.evaluate.f1 import ratio

ORDER = 4  # the longest n-grams


def bleu_counts(generated: Sequence[str], original: Sequence[str]) -> np.ndarray:
    """Of each of N pairs of texts, words between blanks: (N, 2 * ORDER + 2) int64.

    Columns: generated n-grams of 1 to ORDER words that the original has too, each at most as often as there; generated
    n-grams; generated words; original words.
    """
    rows = []
    for said, meant in zip(generated, original, strict=True):
        found = cook_test(said, cook_refs([meant], n=ORDER), n=ORDER)
        rows.append([*found["correct"], *found["guess"], found["testlen"], *found["reflen"]])
    return np.array(rows, np.int64).reshape(-1, 2 * ORDER + 2)


def bleu(sums: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-4 of corpora (Papineni et al., 2002, section 2.3), one original a case, without smoothing.

    Args:
        sums: (2 * ORDER + 2, R) the columns of `bleu_counts`, summed over the cases of R corpora.

    Returns:
        (ORDER, R): the geometric mean of the precisions of 1 to n words times the brevity penalty; 0 where one of them
        is.
    """
    correct, guessed = sums[:ORDER].astype(np.float64), sums[ORDER : 2 * ORDER].astype(np.float64)
    said, meant = sums[-2].astype(np.float64), sums[-1].astype(np.float64)
    with np.errstate(divide="ignore"):
        logs = np.log(ratio(correct, guessed))  # (ORDER, R), minus infinity where nothing is right
    means = np.cumsum(logs, axis=0) / np.arange(1, ORDER + 1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        brevity = np.where(said > 0, np.minimum(0, 1 - meant / said), -np.inf)  # (R,)
    return np.exp(means + brevity)

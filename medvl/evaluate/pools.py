"""Pairs of image and report that are retrieved from each other: which are right, and the pools they compete in."""

from __future__ import annotations

import numpy as np

from medvl.errors import DataError
from medvl.evaluate.ranking import Ranking, best, rank

IMAGE_TO_REPORT, REPORT_TO_IMAGE = DIRECTIONS = ("image_to_report", "report_to_image")


def label_sets(labels: np.ndarray) -> np.ndarray:
    """(N,) codes that are equal where two cases have the same positive findings, none at all included.

    Args:
        labels: (N, K), positive where 1; 0, -1, 2 and NaN are not positive.
    """
    return np.unique(labels == 1, axis=0, return_inverse=True)[1].reshape(-1)


def pools(cases: int, size: int | None, seed: int = 0) -> np.ndarray:
    """Draw pools of pairs, each pair in one pool at most.

    Args:
        cases: N, number of pairs.
        size: pairs a pool; None, or N and more, is one pool of all.
        seed: of the draw, at least 0.

    Returns:
        (P, n) int64 positions of the pairs; the N mod n pairs that fill no pool are left out.

    Raises:
        DataError: no pairs.
    """
    if not cases:
        raise DataError("retrieval has no image-report pairs to draw pools of")
    if size is None or size >= cases:
        return np.arange(cases)[None]
    order = np.random.default_rng(seed).permutation(cases)
    return order[: cases // size * size].reshape(-1, size)


def rank_both_ways(scores: np.ndarray, codes: np.ndarray, cutoffs: tuple[int, ...]) -> dict[str, Ranking]:
    """Rank one pool's reports for each image, and its images for each report (`medvl.evaluate.ranking.rank`).

    Two cases answer each other where their codes are equal, so an image's own report is always right, and so is an
    equal report of another case wherever its labels are the same.

    Args:
        scores: (n, n) of image i (row) with report j (column).
        codes: (n,) what makes cases answer each other, e.g. `label_sets`.
        cutoffs: the values of K.

    Returns:
        Direction -> ranking of n queries.
    """
    same = codes[:, None] == codes[None, :]
    return {IMAGE_TO_REPORT: rank(scores, same, cutoffs), REPORT_TO_IMAGE: rank(scores.T, same, cutoffs)}


def best_both_ways(scores: np.ndarray, codes: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """The first candidates of each query of a pool, in the order of `rank_both_ways`.

    Args:
        scores: (n, n) of image i (row) with report j (column).
        codes: (n,) what makes cases answer each other.
        count: how many candidates of each query.

    Returns:
        Direction -> (n, min(count, n)) int64 places within the pool, the best first.
    """
    same = codes[:, None] == codes[None, :]
    return {IMAGE_TO_REPORT: best(scores, same, count), REPORT_TO_IMAGE: best(scores.T, same, count)}

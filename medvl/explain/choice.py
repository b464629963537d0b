"""Which cases are shown: the same ones each time, and as many findings among them as can be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.texts import ROWS, Texts
from medvl.errors import DataError, nearest

if TYPE_CHECKING:
    from medvl.explain.case import Case


def varied(labels: np.ndarray, count: int) -> np.ndarray:
    """Positions of cases, each chosen for the most findings that those before it do not have; of equal ones the first.

    Args:
        labels: (n, K), positive where 1; K may be 0, which gives the first cases.
        count: how many; all where there are fewer.

    Returns:
        (min(count, n),) int64.
    """
    positive = labels == 1
    missing, left, chosen = positive.any(0), np.ones(len(labels), bool), []
    for _ in range(min(count, len(labels))):
        gains = (positive & missing).sum(1)
        if not gains[left].any():  # every finding has been seen: begin again
            missing = positive.any(0)
            gains = (positive & missing).sum(1)
        case = int(np.argmax(np.where(left, gains, -1)))
        left[case] = False
        missing = missing & ~positive[case]
        chosen.append(case)
    return np.array(chosen, np.int64)


def foremost(case: Case, labels: Sequence[str], probabilities: Sequence[float], most: int) -> list[int]:
    """Numbers of the findings to show: those with a box, then others that the case has, then the most probable."""
    boxed = {box.label for box in case.boxes}
    order = sorted(
        range(len(labels)), key=lambda k: (labels[k] not in boxed, labels[k] not in case.positives, -probabilities[k])
    )
    return order[:most]


def named(keys: list[str], asked: tuple[str, ...], split: str) -> np.ndarray:
    """Positions of the cases of these hashes, in the order asked for.

    Raises:
        DataError: a case that the split does not have, with the nearest one.
    """
    places = {key: place for place, key in enumerate(keys)}
    for case in asked:
        if case not in places:
            raise DataError(
                f"split '{split}' has no case '{case}'.{nearest(case, places)} known: {len(places)} cases, column "
                "'case' of the stage's predictions. do: give one of them, or another --split"
            )
    return np.array([places[case] for case in asked], np.int64)


def with_word(texts: Texts, rows: np.ndarray, word: str) -> np.ndarray:
    """Those of the rows whose text has the word, in upper or lower case.

    Raises:
        DataError: there is none.
    """
    pattern = rf"(^|\W){re.escape(word)}(\W|$)"
    parts = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
    found = [part[_matches(texts.read(part), pattern)] for part in parts]
    kept = np.concatenate(found)
    if len(kept) == 0:
        raise DataError(f"'{word}' is a word of none of the {len(rows)} texts. do: give another --word or --split")
    return kept


def _matches(texts: pa.Array, pattern: str) -> np.ndarray:
    return np.asarray(pc.match_substring_regex(texts, pattern, ignore_case=True))

"""The best candidates of each case, both ways: as the stage's evaluation listed them, or scored here."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from medvl.engine.hardware import make_fabric
from medvl.engine.pair_scores import score_pools
from medvl.evaluate.pools import DIRECTIONS, IMAGE_TO_REPORT, label_sets
from medvl.evaluate.retrieval import Retrieval
from medvl.explain.case import Case
from medvl.explain.subject import BATCH, Subject
from medvl.runs.listing import listing_name, read_listing

BEST = 5  # candidates of a query


@dataclass(frozen=True)
class Candidate:
    """What a query found.

    Attributes:
        score: the larger the better.
        right: whether its positive findings are the query's.
        own: whether it is the query's own partner.
    """

    case: Case
    score: float
    right: bool
    own: bool


def best_candidates(subject: Subject) -> list[dict[str, list[Candidate]]]:
    """Of each of the subject's cases, by direction, the best first.

    Where the stage's evaluation has listed all of them they are read from there, else scored among `subject.pool`.

    Raises:
        DataError: the list cannot be read.
    """
    return _listed(subject) or _scored(subject)


def _listed(subject: Subject) -> list[dict[str, list[Candidate]]] | None:
    """None where there is no list, or a case fell into none of its pools."""
    name = listing_name(Retrieval.listing, subject.asked.split)
    columns = read_listing(subject.trained.folder / f"{name}.parquet")
    if not columns or not np.isin(subject.rows, columns["query"]).all():
        return None
    wanted = np.isin(columns["query"], subject.rows) & (columns["rank"] <= BEST)
    lines = sorted(
        zip(*(columns[name][wanted].tolist() for name in ("query", "direction", "rank", "candidate", "score", "right")),
            strict=True)
    )  # fmt: skip
    cases = {case.row: case for case in subject.look_at(np.unique(columns["candidate"][wanted]))}
    found: dict[int, dict[str, list[Candidate]]] = {
        row: {way: [] for way in DIRECTIONS} for row in subject.rows.tolist()
    }
    for query, way, _, candidate, score, right in lines:
        found[query][way].append(Candidate(cases[candidate], score, right, candidate == query))
    return [found[row] for row in subject.rows.tolist()]


def _scored(subject: Subject) -> list[dict[str, list[Candidate]]]:
    pool = subject.pool
    scores = scores_of(subject, np.array([case.row for case in pool], np.int64))
    codes = label_sets(np.array([list(case.labels.values()) for case in pool]))
    found = []
    for query in range(len(subject.cases)):
        ways = {}
        for way in DIRECTIONS:
            row = scores[query] if way == IMAGE_TO_REPORT else scores[:, query]
            ways[way] = [
                Candidate(pool[place], float(row[place]), bool(codes[place] == codes[query]), bool(place == query))
                for place in np.argsort(-row, kind="stable")[:BEST]
            ]
        found.append(ways)
    return found


@torch.no_grad()
def scores_of(subject: Subject, rows: np.ndarray) -> np.ndarray:
    """Row numbers (n,) -> (n, n) float32, image i (row) with text j (column)."""
    trainable = subject.trainable
    if not trainable.objective.aligns:
        fabric = make_fabric("cpu", 1, "fp32")
        pool = np.arange(len(rows))[None]
        return score_pools(fabric, trainable, pool, lambda members: subject.feeder(rows[members]), pairs=BATCH)[0]
    sides: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    with closing(subject.feeder(rows).once()) as batches:
        for batch in batches:
            sides[0].append(trainable.objective.embed_images(trainable.model, batch))
            sides[1].append(trainable.objective.embed_texts(trainable.model, batch))
    images, texts = (torch.cat(side).float() for side in sides)
    return (images @ texts.T).numpy()

"""Retrieval of reports by images and of images by reports, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np

from medvl.contract import DataSpec
from medvl.errors import ConfigError, DataError
from medvl.evaluate.base import PAIR_SCORES, Cases, Evaluator, Result
from medvl.evaluate.cells import cell
from medvl.evaluate.draws import digest
from medvl.evaluate.pools import DIRECTIONS, IMAGE_TO_REPORT, best_both_ways, label_sets, pools, rank_both_ways
from medvl.evaluate.ranking import Ranking
from medvl.evaluate.resampling import Resampling
from medvl.evaluate.sums import weighted_sums

_SIDES = ("image_embeddings", "text_embeddings")
_GIVEN: dict[str | None, tuple[tuple[str, ...], tuple[str, ...]]] = {
    None: (_SIDES, (PAIR_SCORES,)), "embeddings": (_SIDES, ()), "pairs": ((PAIR_SCORES,), ()),
}  # fmt: skip
LISTED = 10  # candidates of a query that `listed` names


class Retrieval(Evaluator):
    """How well an image finds its report and a report its image (MedViLL, Moon et al., 2022, Table III).

    Each pair competes with the others of its pool. A candidate is right where its positive findings are the query's,
    none at all included; a finding that is uncertain or unknown is not positive. Hence equal reports stay separate
    candidates, each right or wrong by its labels. Among equal scores the wrong candidates stand first. Metrics are
    means over queries: `image_to_report_mrr`, `..._hit@K`, `..._recall@K` and `..._precision@K`, likewise
    `report_to_image` (`medvl.evaluate.ranking`).

    A pair's score is the similarity of its embeddings, or what an objective says that scores pairs (its matching
    head): the latter takes a pass of the fusion for each of a pool's n x n pairs, so that a pool of the whole split
    costs as many as the square of its cases.

    Args:
        data: names the findings.
        split: the split it is meant for (`train`, `val`, `test`).
        pool: pairs that compete with each other, at least 2; None for the whole split. Pools are drawn once by `seed`;
            pairs that fill no pool are left out, and a note says how many.
        cutoffs: the values of K.
        scores: `embeddings` or `pairs`; by default embeddings where the objective gives them.
        similarity: of an image's and a text's embedding, what the score is.
        replicates: bootstrap draws of queries, the pools as they are; 0 for no intervals.
        unit: what is drawn: patients with all their cases, or single cases.
        confidence: of the percentile intervals, in (0, 1).
        seed: of the pools and of the draws.

    Raises:
        ConfigError: a parameter outside its range, or data without labels.
    """

    smoke: ClassVar[dict[str, Any]] = {"pool": 4, "replicates": 20}
    listing: ClassVar[str] = "retrieved"

    def __init__(
        self,
        data: DataSpec,
        *,
        split: str = "test",
        pool: int | None = 100,
        cutoffs: tuple[int, ...] = (1, 5, 10),
        scores: Literal["embeddings", "pairs"] | None = None,
        similarity: Literal["cosine", "dot"] = "cosine",
        replicates: int = 1000,
        unit: Literal["patient", "case"] = "patient",
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        problems = []
        if not data.labels:
            problems.append("evaluator 'retrieval' tells right candidates by their labels, and the data has none")
        if pool is not None and pool < 2:
            problems.append(f"pool {pool} of evaluator 'retrieval' leaves nothing to rank. give at least 2, or none")
        if not cutoffs or min(cutoffs) < 1 or len(set(cutoffs)) < len(cutoffs):
            problems.append(f"cutoffs {list(cutoffs)} of evaluator 'retrieval': give numbers of at least 1, each once")
        if problems:
            raise ConfigError(problems)
        self.split = split
        self.pool = pool
        self.cutoffs = tuple(cutoffs)
        self.wants, self.instead = _GIVEN[scores]
        self.similarity = similarity
        self.seed = seed
        self.resampling = Resampling("retrieval", replicates, unit, confidence, seed)

    def metrics(self) -> tuple[str, ...]:
        """`image_to_report_mrr`, `image_to_report_hit@1`, ..., then the same of `report_to_image`."""
        return tuple(f"{way}_{name}" for way in DIRECTIONS for name in Ranking.names(self.cutoffs))

    def pools_of(self, cases: int) -> np.ndarray:
        """(P, n) int64, the pools of so many pairs: the same for every model, by `seed`."""
        return pools(cases, self.pool, self.seed)

    def evaluate(self, cases: Cases, intervals: bool = True) -> Result:
        """All metrics of `cases`, which hold `labels` (N, K), and `pair_scores` (P, n, n) of `pools_of(N)` or
        `image_embeddings` and `text_embeddings` (N, D).

        Where an embedding or a score is not finite every metric is NaN, and a note says so.

        Raises:
            DataError: no cases, or arrays that do not fit.
        """
        drawn = self.pools_of(len(cases.rows))
        result = Result(dict.fromkeys(self.metrics(), np.nan))
        bad = self._not_finite(cases)
        if bad:
            result.notes = [f"{bad}: all is undefined"]
            return result
        codes = label_sets(np.asarray(cases.fields["labels"]))
        values = self._values(self._scores(cases, drawn), codes, drawn)  # (P * n, M)
        result.counts = {"pairs": drawn.size, "pools": len(drawn)}
        result.notes = self._notes(len(cases.rows), drawn, codes)

        def means(weights: np.ndarray) -> np.ndarray:  # (P * n, R) -> (M, R)
            return weighted_sums(values, weights) / weights.sum(axis=0, dtype=np.float64)

        told = {"pairs in a pool": drawn.shape[1], "right candidates": digest(codes)}
        members = drawn.reshape(-1)
        self.resampling.fill(result, self.metrics(), means, cases, intervals, positions=members, judged=told)
        return result

    def listed(self, cases: Cases) -> dict[str, np.ndarray]:
        """The first ten candidates of each query, both ways, in the order of the metrics; empty as these are NaN.

        Columns: `direction`, `pool` (its number), `query` and `candidate` (rows of the study table), `rank` (from 1),
        `score`, and `right`: whether the positive findings are the query's.
        """
        drawn = self.pools_of(len(cases.rows))
        codes, rows = label_sets(np.asarray(cases.fields["labels"])), cases.rows
        parts: list[dict[str, np.ndarray]] = []
        scored = () if self._not_finite(cases) else zip(drawn, self._scores(cases, drawn), strict=True)
        for pool, (members, scores) in enumerate(scored):
            for way, found in best_both_ways(scores, codes[members], LISTED).items():  # (n, m)
                query = np.broadcast_to(np.arange(len(members))[:, None], found.shape)
                both = (query, found) if way == IMAGE_TO_REPORT else (found, query)
                columns = {
                    "direction": np.full(found.shape, way, object),
                    "pool": np.full(found.shape, pool),
                    "query": rows[members][query],
                    "rank": np.broadcast_to(np.arange(1, found.shape[1] + 1), found.shape),
                    "candidate": rows[members][found],
                    "score": scores[both],
                    "right": codes[members][query] == codes[members][found],
                }
                parts.append({name: values.reshape(-1) for name, values in columns.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}

    def _not_finite(self, cases: Cases) -> str:
        """What of the scores or embeddings is not finite, as a sentence; empty where all is."""
        if PAIR_SCORES in cases.outputs:
            given = np.asarray(cases.outputs[PAIR_SCORES])
            bad = int((~np.isfinite(given)).sum())
            return f"{bad} of {given.size} scores of pairs are not finite" if bad else ""
        images, texts = self._embeddings(cases)
        bad = int((~np.isfinite(images).all(axis=1) | ~np.isfinite(texts).all(axis=1)).sum())
        return f"{bad} of {len(images)} pairs have an embedding that is not finite" if bad else ""

    def _scores(self, cases: Cases, drawn: np.ndarray) -> Iterator[np.ndarray]:
        """(n, n) of each pool, image i (row) with report j (column)."""
        if PAIR_SCORES not in cases.outputs:
            images, texts = self._embeddings(cases)
            yield from (images[members] @ texts[members].T for members in drawn)
            return
        given = np.asarray(cases.outputs[PAIR_SCORES])
        if given.shape != (*drawn.shape, drawn.shape[1]):
            raise DataError(
                f"pair scores {given.shape} are not those of {len(drawn)} pools of {drawn.shape[1]} pairs. give "
                "those of `pools_of`, (pools, pairs, pairs)"
            )
        yield from given

    def _embeddings(self, cases: Cases) -> tuple[np.ndarray, np.ndarray]:
        images, texts = (np.asarray(cases.outputs[side], np.float32) for side in _SIDES)
        if images.ndim != 2 or images.shape != texts.shape or len(images) != len(cases.rows):
            raise DataError(
                f"image embeddings {images.shape} and text embeddings {texts.shape} of {len(cases.rows)} pairs cannot "
                "be compared. give one row a pair in both, of one width"
            )
        if self.similarity == "cosine":
            return _normalised(images), _normalised(texts)
        return images, texts

    def _values(self, scores: Iterator[np.ndarray], codes: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """(P * n, M): each metric of each pair, as a query of either kind, pool after pool."""
        parts = []
        for members, of_pool in zip(drawn, scores, strict=True):
            ranked = rank_both_ways(of_pool, codes[members], self.cutoffs)
            columns = [values for way in DIRECTIONS for values in ranked[way].measures().values()]
            parts.append(np.stack(columns, axis=1))  # (n, M)
        return np.concatenate(parts)

    def _notes(self, cases: int, drawn: np.ndarray, codes: np.ndarray) -> list[str]:
        members = codes[drawn]  # (P, n)
        chance = np.mean([(np.bincount(row) ** 2).sum() / row.size**2 for row in members])
        count = "1 pool" if len(drawn) == 1 else f"{len(drawn)} pools"
        notes = [f"{count} of {drawn.shape[1]} pairs; of a query's candidates {chance:.1%} are right"]
        if cases > drawn.size:
            notes.append(f"{cases - drawn.size} of {cases} pairs fill no pool and are left out")
        return notes

    def table(self, result: Result) -> tuple[list[str], list[list[str]]]:
        """A row a measure, a column a direction."""
        names = Ranking.names(self.cutoffs)
        rows = [[name, *(cell(result, f"{way}_{name}") for way in DIRECTIONS)] for name in names]
        return ["measure", *(way.replace("_", " ") for way in DIRECTIONS)], rows


def _normalised(embeddings: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.where(lengths > 0, lengths, 1)

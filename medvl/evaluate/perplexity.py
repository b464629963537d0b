"""Perplexity: how many words a model hesitates between at every word of the original texts."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np

from medvl.contract import DataSpec
from medvl.errors import DataError
from medvl.evaluate.base import Cases, Evaluator, Result
from medvl.evaluate.cells import cell
from medvl.evaluate.draws import Fact, digest
from medvl.evaluate.resampling import Resampling
from medvl.evaluate.sums import weighted_sums
from medvl.models.tokenizer import Tokenizer


class Perplexity(Evaluator):
    """exp of the mean negative log-likelihood of a token, over all tokens of the split's texts.

    Long texts weigh more than short ones. Tokens are those of the model's own tokenizer, cut to its `max_length`, so
    models with different vocabularies cannot be compared. What a token's likelihood is given is the objective's to say:
    `report_generation` gives the image and the tokens before it, and counts the last [SEP], but not a case without
    text; `mlm` gives all tokens that it did not hide, and counts the hidden ones.

    Args:
        data: unused; every evaluator is given it.
        tokenizer: of the model's text encoder, whose vocabulary tells which perplexities can be compared.
        split: the split it is meant for (`train`, `val`, `test`).
        replicates: bootstrap draws; 0 for no intervals.
        unit: what is drawn: patients with all their cases, or single cases.
        confidence: of the percentile interval, in (0, 1).
        seed: of the draws.

    Raises:
        ConfigError: a parameter outside its range.
    """

    reads = ()
    wants = ("log_likelihood", "tokens")
    falls: ClassVar[tuple[str, ...]] = ("perplexity",)
    smoke = MappingProxyType({"replicates": 20})

    def __init__(
        self,
        data: DataSpec,
        tokenizer: Tokenizer | None = None,
        *,
        split: str = "test",
        replicates: int = 1000,
        unit: Literal["patient", "case"] = "patient",
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.tokenizer = tokenizer
        self.split = split
        self.resampling = Resampling("perplexity", replicates, unit, confidence, seed)

    def metrics(self) -> tuple[str, ...]:
        """`perplexity`."""
        return ("perplexity",)

    def evaluate(self, cases: Cases, intervals: bool = True) -> Result:
        """The perplexity of `cases`, which hold `log_likelihood` and `tokens`, both (N,): sums over a case's tokens.

        NaN, with a note, where a log-likelihood is not finite or there is no token.

        Raises:
            DataError: arrays that do not fit.
        """
        likelihood, tokens = (np.asarray(cases.outputs[name], np.float64) for name in self.wants)
        if not likelihood.shape == tokens.shape == (len(cases.rows),):
            raise DataError(
                f"log-likelihoods {likelihood.shape} and tokens {tokens.shape} of {len(cases.rows)} cases do not fit. "
                "give a number a case in both"
            )
        result = Result({"perplexity": np.nan}, counts={"tokens": int(tokens.sum())})
        bad = int((~np.isfinite(likelihood)).sum())
        if bad or not tokens.sum():
            why = f"{bad} of {len(tokens)} log-likelihoods are not finite" if bad else "there is no token"
            result.notes.append(f"perplexity is undefined: {why}")
            return result
        sums = np.stack([likelihood, tokens], axis=1)  # (N, 2)

        def measure(weights: np.ndarray) -> np.ndarray:  # (N, R) -> (1, R)
            total, count = weighted_sums(sums, weights)
            return np.exp(-np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))[None]

        self.resampling.fill(result, self.metrics(), measure, cases, intervals, judged=self._words())
        return result

    def _words(self) -> dict[str, Fact]:
        """What two models must share for their tokens to be the same."""
        if self.tokenizer is None:
            return {}
        vocabulary = self.tokenizer.backend.get_vocab()
        return {"vocabulary": digest(sorted(vocabulary, key=vocabulary.__getitem__)), "cut": self.tokenizer.max_length}

    def table(self, result: Result) -> tuple[list[str], list[list[str]]]:
        """One row."""
        return ["measure", "value", "tokens"], [
            ["perplexity", cell(result, "perplexity"), str(result.counts["tokens"])]
        ]

"""Answers of questions as classes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.errors import DataError
from medvl.files import write_text_atomic

UNSEEN = -1  # the class of an answer that is none of the vocabulary's


@dataclass(frozen=True)
class AnswerClasses:
    """A vocabulary of answers; the number of an answer is its class.

    Attributes:
        names: the answers, normalised; the most frequent first, of equally frequent ones the first in the alphabet.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, answers: pa.Array | pa.ChunkedArray, least: int = 1) -> AnswerClasses:
        """From the answers of the training questions.

        Args:
            answers: normalised strings (`medvl.data.question_table.normalised`); nulls are none.
            least: how often an answer must occur.

        Raises:
            DataError: fewer than two answers are left.
        """
        counts = pc.value_counts(answers.drop_null())
        counts = pa.table({name: counts.field(name) for name in ("values", "counts")})
        counts = counts.filter(pc.greater_equal(counts["counts"], least))
        if counts.num_rows < 2:
            raise DataError(
                f"the training questions have {counts.num_rows} answers that occur at least {least} times, and two "
                "classes are needed. do: lower least_answers, or take more cases"
            )
        ordered = counts.sort_by([("counts", "descending"), ("values", "ascending")])
        return cls(tuple(ordered["values"].to_pylist()))

    def number(self, answers: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """(n,) normalised answers -> (n,) int64 classes, `UNSEEN` where the vocabulary does not have one."""
        known = pa.array(self.names, pa.string()).cast(answers.type)
        return np.asarray(pc.fill_null(pc.index_in(answers, known), UNSEEN)).astype(np.int64)

    def write(self, path: Path) -> None:
        """Write a JSON list, atomically."""
        write_text_atomic(path, json.dumps(self.names, indent=0, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> AnswerClasses:
        """What `write` wrote.

        Raises:
            DataError: it is missing or is no list of strings.
        """
        try:
            names = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"answers '{path}' cannot be read: {error}. give the folder of a finished run") from error
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"answers '{path}' are no list of texts. give the folder of a finished run")
        return cls(tuple(names))

"""The questions of a study table, counted by split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import QUESTIONS, SPLITS
from medvl.data.question_table import ANSWER, KIND, ROW, question_table


@dataclass(frozen=True)
class QuestionCounts:
    """How many questions a split has, of either kind, with how many different answers.

    Attributes:
        unseen: questions whose answer no question of `train` has.
    """

    questions: int
    closed: int
    open: int
    answers: int
    unseen: int


def question_counts(table: pa.Table, splits: np.ndarray) -> dict[str, QuestionCounts]:
    """Split -> its counts; nothing where the table has no questions.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`.
    """
    if QUESTIONS not in table.column_names or not pc.sum(pc.list_value_length(table.column(QUESTIONS))).as_py():
        return {}
    asked = question_table(table).select([ROW, KIND, ANSWER])
    sides = splits[np.asarray(asked.column(ROW))]
    parts = {name: asked.filter(pa.array(sides == place)) for place, name in enumerate(SPLITS)}
    learned = pc.unique(parts["train"].column(ANSWER).drop_null())
    return {name: _counted(part, learned) for name, part in parts.items() if part.num_rows}


def _counted(asked: pa.Table, learned: pa.Array) -> QuestionCounts:
    kinds, answers = asked.column(KIND), asked.column(ANSWER)
    closed, opened = (pc.sum(pc.equal(kinds, kind)).as_py() or 0 for kind in ("closed", "open"))
    seen = pc.sum(pc.is_in(answers, learned)).as_py()
    distinct = len(pc.unique(answers.drop_null()))
    return QuestionCounts(asked.num_rows, closed, opened, distinct, asked.num_rows - seen)

"""The questions about images as a table of their own: a row a question, so that each of them can be a case."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.cache import cache_folder
from medvl.data.dataset import BOXES, ORGAN, QUESTION, QUESTIONS, TEXT_PREFIX
from medvl.data.study_table import kept_table, one_array, table_key
from medvl.errors import DataError

FILE = "questions.arrow"
FORMAT = 1  # raise when the file of an unchanged study table must be written anew

ROW, NUMBER = "row", "question"
ANSWER, KIND, TYPE = "answer", "kind", "type"
SPELT = (KIND, TYPE, ORGAN)  # what is told of a question, in words
BETWEEN_TYPES = "|"


def open_questions(studies: pa.Table) -> pa.Table:
    """The questions of a study table that `medvl.data.study_table.open_table` gave, memory-mapped like it.

    Rows stand in the order of the study table, and within a row in the order of its list. Columns: those of the study
    table but its texts, boxes and questions, repeated for each question; `row` (int64: number of the study table's row,
    where the image lies), `question` (int32: number among the questions of that row), `text.question`, `answer`
    (`normalised`; null where blank), `kind` and `type` (null where not told).

    Raises:
        DataError: the table has no questions.
    """
    key = table_key(studies)
    return kept_table(cache_folder("tables", key) / FILE, f"{key}-questions-{FORMAT}", lambda: question_table(studies))


def question_table(studies: pa.Table) -> pa.Table:
    """The table of `open_questions`, in memory."""
    if QUESTIONS not in studies.column_names or not pc.sum(pc.list_value_length(studies.column(QUESTIONS))).as_py():
        raise DataError("no image of this dataset has a question. do: choose another text")
    lists = one_array(studies.column(QUESTIONS))
    rows, asked = pc.list_parent_indices(lists), pc.list_flatten(lists)
    repeated = [name for name in studies.column_names if not name.startswith(TEXT_PREFIX)]
    repeated = [name for name in repeated if name not in (BOXES, QUESTIONS)]
    columns = {name: _wide(one_array(studies.column(name))).take(rows) for name in repeated}
    given = {field.name for field in asked.type}
    told = {name: pc.struct_field(asked, name) for name in ("question", "answer", KIND, TYPE) if name in given}
    unknown = pa.nulls(len(asked), pa.string())
    of_row = np.asarray(rows)
    columns |= {
        ROW: rows.cast(pa.int64()),
        NUMBER: pa.array(np.arange(len(of_row)) - np.searchsorted(of_row, of_row), pa.int32()),
        TEXT_PREFIX + QUESTION: told["question"],
        ANSWER: normalised(told["answer"]),
        KIND: told.get(KIND, unknown),
        TYPE: told.get(TYPE, unknown),
    }
    return pa.table(columns)


def normalised(answers: pa.Array) -> pa.Array:
    """Answers in lower case, without blanks around them and with one between words; null where nothing is left."""
    text = pc.utf8_lower(pc.utf8_trim_whitespace(pc.replace_substring_regex(answers, r"\s+", " ")))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)


def told_of(table: pa.Table, rows: np.ndarray) -> dict[str, np.ndarray]:
    """`kind`, `type` and `organ` of some rows of a table of questions: (n,) strings each, empty where not told."""
    columns = table.select([name for name in SPELT if name in table.column_names]).take(pa.array(rows))
    empty = np.full(len(rows), "")
    return {name: _words(columns.column(name)) if name in columns.column_names else empty for name in SPELT}


def _words(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) strings of few distinct ones: an array of NumPy, not objects of Python."""
    encoded = one_array(pc.fill_null(column, "")).dictionary_encode()
    return np.array(encoded.dictionary.to_pylist() or [""])[np.asarray(encoded.indices)]


def _wide(column: pa.Array) -> pa.Array:
    """Strings with 64-bit offsets: repeated for each question they may be more than 2 GB."""
    return column.cast(pa.large_string()) if pa.types.is_string(column.type) else column

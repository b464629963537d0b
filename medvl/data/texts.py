"""The text of a case: a report section, or one made of several; computed for the rows that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import TEXT_PREFIX
from medvl.data.study_table import one_array
from medvl.errors import ConfigError, DataError, unknown

How = Literal["first", "longest", "join"]
RULES: tuple[str, ...] = get_args(How)
ROWS = 8192  # texts that are Python strings at a time


@dataclass(frozen=True)
class TextRule:
    """Which sections make the text, and how.

    Attributes:
        sections: in order of preference.
        how: `first`: the first that is not blank; `longest`: the one of most characters, of equal ones the first
            (findings or impression: MedViLL, Moon 2022, section IV-A); `join`: all that are not blank, with a blank
            between them.
    """

    sections: tuple[str, ...]
    how: How = "first"

    @classmethod
    def of(cls, given: str | Mapping[str, Any]) -> TextRule:
        """From YAML: a section's name, or a mapping of one rule to sections.

        Raises:
            ConfigError: it is neither.
        """
        if isinstance(given, str):
            return cls((given,))
        example = "e.g. {longest: [findings, impression]}"
        if len(given) != 1:
            raise ConfigError(f"text: expected a section, or one rule with its sections, {example}")
        how, sections = next(iter(given.items()))
        if how not in RULES:
            raise ConfigError(f"text: {unknown('rule', how, RULES)}; {example}")
        if isinstance(sections, str) or not sections:
            raise ConfigError(f"text: '{how}' takes a list of sections, {example}")
        return cls(tuple(sections), cast(How, how))

    def __str__(self) -> str:
        return self.sections[0] if len(self.sections) == 1 else f"{self.how} of {', '.join(self.sections)}"

    def apply(self, sections: Sequence[pa.Array]) -> pa.Array:
        """The texts of n cases from their sections' columns, (n,) each: (n,) strings, empty where all are blank."""
        filled = [pc.if_else(_blank(column), "", column.cast(pa.string())) for column in sections]
        text = filled[0]
        for other in filled[1:]:
            if self.how == "join":  # pyarrow's own way of skipping nulls loses the rows where all are null
                gap = pc.if_else(pc.and_(_said(text), _said(other)), " ", "")
                text = pc.binary_join_element_wise(text, gap, other, "")
            elif self.how == "longest":
                text = pc.if_else(pc.greater(pc.utf8_length(other), pc.utf8_length(text)), other, text)
            else:
                text = pc.if_else(_said(text), text, other)
        return text


class Texts:
    """The texts of a study table's rows; none is kept.

    Args:
        table: a study table.
        rule: which sections.

    Attributes:
        blank: (N,) bool, True where a case has no text.

    Raises:
        DataError: no such section (with the nearest), or no row has any text.
    """

    def __init__(self, table: pa.Table, rule: TextRule) -> None:
        known = [name.removeprefix(TEXT_PREFIX) for name in table.column_names if name.startswith(TEXT_PREFIX)]
        strange = [section for section in rule.sections if section not in known]
        if strange:
            raise DataError(unknown("text section", strange[0], known))
        self.table, self.rule = table, rule
        self._columns = [table.column(TEXT_PREFIX + section) for section in rule.sections]
        self.blank = np.logical_and.reduce([_empty(column) for column in self._columns])
        if self.blank.all():
            raise DataError(f"text '{rule}' is empty in all {table.num_rows} rows. do: choose another section")

    def __len__(self) -> int:
        return self.table.num_rows

    def read(self, rows: np.ndarray) -> pa.Array:
        """Row numbers (n,) -> (n,) strings, empty where a case has no text."""
        places = pa.array(rows)
        return self.rule.apply([one_array(column.take(places)) for column in self._columns])

    def of(self, rows: np.ndarray) -> RowTexts:
        """The texts of these rows, to go through."""
        return RowTexts(self, rows)


@dataclass(frozen=True)
class RowTexts:
    """The texts of some rows, to go through as often as wanted; few are in memory at a time."""

    texts: Texts
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self.rows), ROWS):
            yield from self.texts.read(self.rows[start : start + ROWS]).to_pylist()


def _blank(column: pa.Array) -> pa.Array:
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), True)


def _said(texts: pa.Array) -> pa.Array:
    return pc.not_equal(texts, "")


def _empty(column: pa.ChunkedArray) -> np.ndarray:
    """(N,) bool: null or of no bytes; the texts themselves are not looked at."""
    return np.asarray(pc.equal(pc.fill_null(pc.binary_length(column), 0), 0))

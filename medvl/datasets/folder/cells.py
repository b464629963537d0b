"""What the cells of a `folder` index mean: labels, joined finding names, splits. Each distinct cell is parsed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from medvl.errors import DataError, nearest, unknown

SPLIT_SPELLINGS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validate": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
LABEL_WORDS = {"true": 1, "false": 0, "nan": None}
UNKNOWN = -128  # stands for null while labels are numbers

T = TypeVar("T")


class BadCell(DataError):
    """A cell that cannot be parsed; `row` counts from 0."""

    def __init__(self, message: str, row: int) -> None:
        super().__init__(message)
        self.row = row


def labels_of_cells(column: pa.ChunkedArray) -> pa.Array:
    """Strings 1, 0, -1 (also 1.0, ...), true, false or null -> int8.

    Raises:
        BadCell: any other.
    """
    values, codes = _distinct(column, _label)
    return _labels(np.array([*[UNKNOWN if value is None else value for value in values], UNKNOWN], np.int8)[codes])


def _label(cell: str) -> int | None:
    if cell.lower() in LABEL_WORDS:
        return LABEL_WORDS[cell.lower()]
    try:
        number = float(cell)
    except ValueError:
        number = UNKNOWN
    if number not in (1, 0, -1):
        raise DataError(f"{_quoted(cell)} is not a label. allowed: 1, 0, -1, blank, true, false")
    return int(number)


def _quoted(cell: str) -> str:
    """A short cell as it is; of a longer one, which may be a report, only its length."""
    return f"'{cell}'" if len(cell) <= 20 else f"a text of {len(cell)} characters"


def splits_of_cells(column: pa.ChunkedArray) -> pa.Array:
    """Strings in any usual spelling -> `train`, `val`, `test`.

    Raises:
        BadCell: any other.
    """
    values, codes = _distinct(column, _split)
    return pa.array(values, pa.string()).take(pa.array(codes))


def _split(cell: str) -> str:
    if cell.lower() not in SPLIT_SPELLINGS:
        raise DataError(f"{_quoted(cell)} is not a split. allowed: {', '.join(SPLIT_SPELLINGS)}")
    return SPLIT_SPELLINGS[cell.lower()]


def labels_in_lists(column: pa.ChunkedArray, names: Sequence[str], separator: str) -> dict[str, pa.Array]:
    """Joined finding names -> an int8 column for each of `names`: 1 where named, 0 elsewhere, null where the cell is.

    Raises:
        DataError: one of `names` never occurs while a name spelt almost like it does.
    """
    lists, codes = _distinct(column, lambda cell: {name.strip() for name in cell.split(separator)})
    occurring = set().union(*lists)
    for name in names:
        if name not in occurring and nearest(name, occurring - set(names)):
            raise DataError(f"label_names: {unknown('finding', name, occurring)}")
    table = np.array([[name in found for name in names] for found in lists], np.int8).reshape(len(lists), len(names))
    table = np.concatenate([table, np.full((1, len(names)), UNKNOWN, np.int8)])
    return {name: _labels(table[codes, place]) for place, name in enumerate(names)}


def _distinct(column: pa.ChunkedArray, parse: Callable[[str], T]) -> tuple[list[T], np.ndarray]:
    """(parsed distinct cells, (N,) int64 codes into them); a null's code is -1, which is also the last place."""
    encoded = column.combine_chunks().dictionary_encode()
    codes = np.asarray(encoded.indices.fill_null(-1)).astype(np.int64)
    parsed = []
    for code, cell in enumerate(encoded.dictionary.to_pylist()):
        try:
            parsed.append(parse(cell))
        except DataError as error:
            raise BadCell(str(error), int(np.argmax(codes == code))) from None
    return parsed, codes


def _labels(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.int8(), mask=values == UNKNOWN)

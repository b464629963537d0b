"""Index files (CSV, TSV, JSONL, Parquet) to Arrow tables of strings, with the line of every row for errors."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from medvl.errors import DataError, nearest, unknown

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
JSONL = (".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")
COMPRESSED = (".gz", ".bz2", ".zst")
BLOCK_BYTES = 1 << 24  # longer than any row


def read_columns(path: Path, names: Sequence[str], *, encoding: str = "utf-8", separator: str = "|") -> pa.Table:
    """The named columns of an index file, all as strings without surrounding blanks; blank cells are null.

    CSV and TSV (also .gz, .bz2) need a header; a byte-order mark, CRLF and line breaks inside quotes are understood.
    Numbers and truth values of JSONL and Parquet are spelled out (`1`, `0.5`, `true`); lists are joined by `separator`.

    Args:
        path: the file; its suffix tells the format.
        names: columns to read; blanks around the file's own column names do not count.
        encoding: of a text file.
        separator: joins the items of list columns.

    Raises:
        DataError: no such file or column (with the nearest), unknown format, no rows, or malformed (with the line).
            Never quotes a cell of a text.
    """
    _require_file(path)
    kind = _kind(path)
    try:
        if kind in PARQUET:
            table = _read_parquet(path, names, separator)
        elif kind in JSONL:
            table = _read_jsonl(path, names, encoding, separator)
        else:
            table = _read_csv(path, names, encoding, DELIMITERS[kind])
    except UnicodeDecodeError as error:
        raise DataError(_not_in(path, encoding)) from error
    if table.num_rows == 0:
        raise DataError(f"{path}: has no rows. do: check how it was written")
    return table


def column_names(path: Path, *, encoding: str = "utf-8") -> tuple[str, ...]:
    """The names that an index file gives its columns, in order, without surrounding blanks.

    Of JSONL, whose records may differ, the first record's.

    Raises:
        DataError: no such file, or of an unknown format or encoding.
    """
    _require_file(path)
    kind = _kind(path)
    try:
        if kind in PARQUET:
            names = pa.parquet.read_schema(path).names
        elif kind in JSONL:
            with _text(path, encoding) as file:
                names = list(json.loads(next((line for line in file if line.strip()), "{}")))
        else:
            names = _header(path, encoding, DELIMITERS[kind])
    except UnicodeDecodeError as error:
        raise DataError(_not_in(path, encoding)) from error
    return tuple(name.strip() for name in names)


def place_of(path: Path, row: int, encoding: str = "utf-8") -> str:
    """Where data row `row` (from 0) stands in the file: `line 17`; for Parquet `row 17`, from 1."""
    kind = _kind(path)
    if kind in PARQUET:
        return f"row {row + 1}"
    with _text(path, encoding) as file:
        if kind in JSONL:
            lines = (number for number, line in enumerate(file, 1) if line.strip())
            return f"line {next(number for count, number in enumerate(lines) if count == row)}"
        reader = csv.reader(file, delimiter=DELIMITERS[kind])
        before, count = 0, -1  # the header is record -1
        with suppress(csv.Error):  # a cell beyond the csv module's limit: the row must do
            for record in reader:
                if record and count == row:
                    return f"line {before + 1}"
                count += bool(record)
                before = reader.line_num
    return f"row {row + 1}"


def _require_file(path: Path) -> None:
    if path.is_file():
        return
    if not path.parent.is_dir():
        raise DataError(f"{path}: there is no folder '{path.parent}'. do: check the path")
    there = sorted(other.name for other in path.parent.iterdir() if other.is_file())
    shown = ", ".join(there[:20]) + (", ..." if len(there) > 20 else "") if there else "none"
    raise DataError(f"{path}: there is no such file.{nearest(path.name, there)} files there: {shown}")


def _kind(path: Path) -> str:
    """The suffix that tells the format, compression left aside."""
    suffix = path.with_suffix("").suffix if path.suffix.lower() in COMPRESSED else path.suffix
    known = (*DELIMITERS, *JSONL, *PARQUET)
    if suffix.lower() not in known:
        raise DataError(f"{path}: {unknown('table format', suffix, known)}")
    return suffix.lower()


@contextmanager
def _text(path: Path, encoding: str) -> Iterator[TextIOWrapper]:
    with pa.input_stream(path, compression="detect") as stream:
        # "utf-8-sig" reads UTF-8 with and without a byte-order mark.
        yield TextIOWrapper(stream, "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding, newline="")


def _not_in(path: Path, encoding: str) -> str:
    return f"{path}: is not encoded in {encoding}. do: save it as UTF-8, or name its encoding (for example latin-1)"


def _positions(path: Path, names: Sequence[str], found: Sequence[str]) -> list[int]:
    """Where each name stands among the file's columns."""
    stripped = [name.strip() for name in found]
    for name in names:
        if stripped.count(name) == 0:
            raise DataError(f"{path}: {unknown('column', name, stripped)}")
        if stripped.count(name) > 1:
            raise DataError(
                f"{path}: column '{name}' stands there {stripped.count(name)} times. do: rename all but one"
            )
    return [stripped.index(name) for name in names]


def _read_csv(path: Path, names: Sequence[str], encoding: str, delimiter: str) -> pa.Table:
    header = _header(path, encoding, delimiter)
    positions = _positions(path, names, header)
    faults: list[pa.csv.InvalidRow] = []

    def refuse(row: pa.csv.InvalidRow) -> str:
        faults.append(row)
        return "error"

    numbered = [str(place) for place in range(len(header))]  # names may repeat or be blank; numbers do not
    wanted = [numbered[place] for place in positions]
    try:
        table = pa.csv.read_csv(
            path,
            # One thread: rows then come with their numbers.
            pa.csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                encoding=encoding,
                column_names=numbered,
                skip_rows_after_names=1,
            ),
            pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse),
            pa.csv.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string())),
        )
    except pa.ArrowInvalid as error:
        if faults:
            row = faults[0]
            raise DataError(
                f"{path}: {_record_place(path, row.number, encoding)} has {row.actual_columns} cells, the header "
                f"{row.expected_columns}. do: quote cells that hold '{delimiter}' or line breaks"
            ) from None  # the cause quotes the row
        if "UTF8" in str(error):
            raise DataError(_not_in(path, encoding)) from None
        raise DataError(f"{path}: cannot be parsed. do: look for a quote that is never closed") from None
    _require_closed_quotes(path, encoding, delimiter)
    return _table(names, [_clean(table.column(place)) for place in wanted])


def _header(path: Path, encoding: str, delimiter: str) -> list[str]:
    """The first record; nameless columns at its end that the next record does not have are cut off."""
    with _text(path, encoding) as file:
        records = (record for record in csv.reader(file, delimiter=delimiter) if record)
        header = next(records, [])
        cells = len(next(records, header))
    while len(header) > cells and not header[-1].strip():
        header.pop()
    return header


def _require_closed_quotes(path: Path, encoding: str, delimiter: str) -> None:
    """Arrow takes all that follows an open quote for one cell and says nothing: rows would be lost in silence."""
    with pa.input_stream(path, compression="detect") as stream:
        quotes = sum(block.count(b'"') for block in iter(lambda: stream.read(BLOCK_BYTES), b""))
    if quotes % 2 == 0:
        return
    with _text(path, encoding) as file:
        reader, before = csv.reader(file, delimiter=delimiter, strict=True), 0
        try:
            for _ in reader:
                before = reader.line_num
        except csv.Error as error:
            if "expected after" not in str(error):  # a quote within a cell, which Arrow reads as it stands
                raise DataError(
                    f"{path}: the quote opened in the row at line {before + 1} is never closed. do: close it"
                ) from None


def _record_place(path: Path, number: int | None, encoding: str) -> str:
    """`number` counts from 1 and counts the header."""
    return "a row" if number is None else place_of(path, number - 2, encoding)


def _read_jsonl(path: Path, names: Sequence[str], encoding: str, separator: str) -> pa.Table:
    columns: dict[str, list[str | None]] = {name: [] for name in names}
    found: dict[str, None] = {}
    with _text(path, encoding) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(f"{path}: line {number} is not JSON: {error.msg} at column {error.colno}") from None
            if not isinstance(record, dict):
                raise DataError(f"{path}: line {number} is not a JSON object. do: write one object a line")
            found.update(dict.fromkeys(record))
            for name, cells in columns.items():
                cells.append(_spelled(path, number, name, record.get(name), separator))
    _positions(path, names, list(found))
    return _table(names, [_clean(pa.chunked_array([pa.array(cells, pa.string())])) for cells in columns.values()])


def _spelled(path: Path, line: int, name: str, value: Any, separator: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if value != value:
        return None  # NaN, as other tools write a blank
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value)) if abs(value) < 2**53 and value == int(value) else str(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return separator.join(value)
    raise DataError(f"{path}: line {line}, column '{name}': text, a number or a list of texts is needed")


def _read_parquet(path: Path, names: Sequence[str], separator: str) -> pa.Table:
    try:
        found = pa.parquet.read_schema(path).names
        positions = _positions(path, names, found)
        table = pa.parquet.read_table(path, columns=[found[place] for place in positions])
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: is not a Parquet file, or damaged: {error}") from error
    columns = []
    for name, place in zip(names, positions, strict=True):
        column = table.column(found[place])
        try:
            columns.append(_clean(_strings(column, separator)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(
                f"{path}: column '{name}' holds {column.type}; text, numbers or lists of texts are needed"
            ) from error
    return _table(names, columns)


def _strings(column: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return pc.binary_join(column.cast(pa.list_(pa.string())), separator)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column.cast(pa.string())


def _clean(column: pa.ChunkedArray) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _table(names: Sequence[str], columns: list[pa.ChunkedArray]) -> pa.Table:
    return pa.table(dict(zip(names, columns, strict=True)))

"""`folder`: the user's own images, listed in a CSV, TSV, JSONL or Parquet file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import IMAGE, LABEL_PREFIX, PATIENT, SPLIT, STUDY, TEXT_PREFIX, VIEW
from medvl.data.table_file import place_of, read_columns
from medvl.datasets.folder.cells import BadCell, labels_in_lists, labels_of_cells, splits_of_cells
from medvl.datasets.image_files import ImageFiles
from medvl.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Folder(ImageFiles):
    """The user's own images with labels and texts, one image a row of an index file.

    Args:
        path: the index: .csv, .tsv, .jsonl or .parquet (.csv.gz too) with a header; blank cells are unknown.
        root: image paths are relative to it; the index's own folder where None. Absolute paths are taken as they are.
        image_column: path of the image (JPEG, PNG, DICOM, ...). Each image may be listed once.
        label_columns: columns of labels: 1, 0, -1 (uncertain), blank (not mentioned), true or false.
        label_list_column: one column of joined finding names (`Edema|Effusion`); a blank cell leaves all of
            `label_names` unknown, any other makes those it names 1 and the rest 0.
        label_names: which names of `label_list_column` are labels.
        label_separator: what joins the names.
        text_columns: columns of text; each is a section of its name.
        patient_column: who the image is of; without it each image counts as a patient of its own, so splits,
            fractions and intervals go by image.
        study_column: the study (visit); without it, or where its cell is blank, an image is a study of its own.
        view_column: the view (`PA`, `AP`, `LATERAL`, ...).
        split_column: train, val or test, in the usual spellings (`validate`, `dev`, ...). Without it the selection's
            `splits` draws one by patient.
        encoding: of a text index, e.g. latin-1.

    Raises:
        ConfigError: parameters that contradict each other.
    """

    fake = "medvl.datasets.fakes.folder:write"

    def __init__(
        self,
        *,
        path: Path,
        root: Path | None = None,
        image_column: str = "image",
        label_columns: tuple[str, ...] = (),
        label_list_column: str | None = None,
        label_names: tuple[str, ...] = (),
        label_separator: str = "|",
        text_columns: tuple[str, ...] = (),
        patient_column: str | None = None,
        study_column: str | None = None,
        view_column: str | None = None,
        split_column: str | None = None,
        encoding: str = "utf-8",
    ) -> None:
        self.labels = (*label_columns, *label_names)
        self.sections = tuple(text_columns)
        self._path, self.root = Path(path), Path(root) if root is not None else Path(path).parent
        self._image_column = image_column
        self._label_columns, self._label_list_column = tuple(label_columns), label_list_column
        self._label_names, self._label_separator = tuple(label_names), label_separator
        self._keys = {PATIENT: patient_column, STUDY: study_column, VIEW: view_column, SPLIT: split_column}
        self._encoding = encoding
        self._check()

    def _check(self) -> None:
        problems = []
        if (self._label_list_column is None) != (not self._label_names):
            problems.append("folder: label_list_column and label_names go together: give both, or neither")
        if not self._label_separator:
            problems.append("folder: label_separator is empty; give the characters that join names, e.g. '|'")
        for what, names in (("label", self.labels), ("text column", self.sections)):
            problems += [f"folder: {what} '{name}' is given twice" for name in sorted(_repeated(names))]
        if problems:
            raise ConfigError(problems)

    def build_table(self) -> pa.Table:
        """See `ImageFiles.build_table`."""
        optional = [name for name in (*self._keys.values(), self._label_list_column) if name is not None]
        wanted = dict.fromkeys([self._image_column, *optional, *self._label_columns, *self.sections])
        cells = read_columns(self._path, list(wanted), encoding=self._encoding, separator=self._label_separator)
        image = self._complete(cells, self._image_column)
        self._require_distinct(image)
        columns = {
            IMAGE: image,
            PATIENT: image,
            STUDY: image,
            VIEW: pa.chunked_array([pa.nulls(len(image), pa.string())]),
        }
        columns |= {key: cells.column(name) for key, name in self._keys.items() if name is not None}
        columns[STUDY] = pc.coalesce(columns[STUDY], image)
        for key in (PATIENT, SPLIT):
            name = self._keys[key]
            if name is not None:
                columns[key] = self._complete(cells, name)
        if SPLIT in columns:
            columns[SPLIT] = self._parsed(splits_of_cells, cells, str(self._keys[SPLIT]))
        columns |= {TEXT_PREFIX + name: cells.column(name) for name in self.sections}
        for name in self._label_columns:
            columns[LABEL_PREFIX + name] = self._parsed(labels_of_cells, cells, name)
        if self._label_list_column is not None:
            parse = partial(labels_in_lists, names=self._label_names, separator=self._label_separator)
            named = self._parsed(parse, cells, self._label_list_column)
            columns |= {LABEL_PREFIX + name: column for name, column in named.items()}
        return pa.table(columns)

    def _parsed(self, parse: Callable[[pa.ChunkedArray], T], cells: pa.Table, name: str) -> T:
        """What a column means; what it is refused for is raised with its place."""
        try:
            return parse(cells.column(name))
        except BadCell as error:
            raise DataError(f"{self._path}: {self._place(error.row)}, column '{name}': {error}") from None
        except DataError as error:
            raise DataError(f"{self._path}: column '{name}': {error}") from None

    def _complete(self, cells: pa.Table, name: str) -> pa.ChunkedArray:
        """A column in which no cell may be blank."""
        column = cells.column(name)
        if column.null_count:
            row = pc.index(pc.is_null(column), True).as_py()
            raise DataError(
                f"{self._path}: {self._place(row)}, column '{name}': is blank, as in {column.null_count} rows in all. "
                "do: fill it in, or take the rows out"
            )
        return column

    def _require_distinct(self, image: pa.ChunkedArray) -> None:
        counts = pc.value_counts(image)
        twice = pc.filter(counts.field("values"), pc.greater(counts.field("counts"), 1))
        if len(twice):
            rows = np.flatnonzero(np.asarray(pc.equal(image, twice[0])))[:2]
            lines = " and ".join(self._place(int(row)) for row in rows)
            raise DataError(
                f"{self._path}: {len(twice)} images are listed more than once, first '{twice[0]}' ({lines}); "
                "a row is an image. do: keep one row for each"
            )

    def _place(self, row: int) -> str:
        return place_of(self._path, row, self._encoding)

    def index_files(self) -> list[Path]:
        """See `ImageFiles.index_files`."""
        return [self._path]

    def settings(self) -> tuple[object, ...]:
        """See `ImageFiles.settings`."""
        return (
            self._image_column, self._label_columns, self._label_list_column, self._label_names, self._label_separator,
            self.sections, sorted(self._keys.items()), self._encoding,
        )  # fmt: skip


def _repeated(names: tuple[str, ...]) -> set[str]:
    return {name for name in names if names.count(name) > 1}

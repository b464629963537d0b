"""`table`: labels that another program gave, looked up by the report's text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.table_file import column_names, place_of, read_columns
from medvl.datasets.chexpert.cells import LABELS
from medvl.datasets.folder.cells import BadCell, labels_of_cells
from medvl.errors import DataError, unknown
from medvl.labelers.base import NOT_MENTIONED, Labeler

TEXT_COLUMNS = ("Report Impression", "Reports")  # CheXbert's, the CheXpert labeler's


class Table(Labeler):
    """Labels from a file that CheXbert or the CheXpert labeler wrote, or any other of that form.

    One row a report: its text, and a column a finding with 1, 0, -1 or blank (Smit et al., 2020; Irvin et al., 2019).
    A report is looked up by its words; blanks and line breaks between them do not count.

    Args:
        path: the file (CSV, TSV, JSONL or Parquet).
        column: of the texts; where None, `Report Impression` or `Reports`.

    Raises:
        DataError: a file or column that is not there, a cell that is no label, no column of a known finding, or a text
            that has different labels on two rows.
    """

    def __init__(self, *, path: Path, column: str | None = None) -> None:
        self.path = path
        names = column_names(path)
        text = self._text_column(names) if column is None else column
        self.findings = tuple(name for name in LABELS if name in names)
        if not self.findings:
            raise DataError(f"{path}: has no column of a finding. known: {', '.join(LABELS)}")
        cells = read_columns(path, [text, *self.findings])
        texts = [_words(text or "") for text in cells[text].to_pylist()]
        self._labels: dict[str, tuple[int, ...]] = {}
        for row, (words, labels) in enumerate(zip(texts, self._columns(cells).tolist(), strict=True)):
            if self._labels.setdefault(words, tuple(labels)) != tuple(labels):
                raise DataError(
                    f"{path}: {place_of(path, row)}: an earlier row has the same report and other labels. "
                    "do: keep one of them"
                )

    def label(self, reports: Sequence[str]) -> np.ndarray:
        """See `Labeler.label`.

        Raises:
            DataError: reports that the file does not have; says how many.
        """
        found = [self._labels.get(_words(report)) for report in reports]
        known = [labels for labels in found if labels is not None]
        if len(known) < len(found):
            raise DataError(
                f"{self.path}: has no labels for {len(found) - len(known)} of {len(found)} reports. "
                "do: let the program that wrote it label these very texts"
            )
        return np.array(known, np.int8).reshape(len(found), len(self.findings))

    def _text_column(self, names: Sequence[str]) -> str:
        for name in TEXT_COLUMNS:
            if name in names:
                return name
        raise DataError(f"{self.path}: {unknown('column', TEXT_COLUMNS[0], names)}. do: give 'column'")

    def _columns(self, cells: pa.Table) -> np.ndarray:
        """(N, K) int8."""
        labels = np.empty((cells.num_rows, len(self.findings)), np.int8)
        for place, name in enumerate(self.findings):
            try:
                labels[:, place] = pc.fill_null(labels_of_cells(cells[name]), NOT_MENTIONED)
            except BadCell as error:
                raise DataError(f"{self.path}: {place_of(self.path, error.row)}, column '{name}': {error}") from None
        return labels


def _words(report: str) -> str:
    return " ".join(report.split())

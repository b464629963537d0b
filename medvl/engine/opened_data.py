"""A data set opened to be looked at: its table, its decoded radiographs, and what is known of single rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medvl.config.component import Component
from medvl.data.cache import cache_folder
from medvl.data.dataset import IMAGE, Dataset
from medvl.data.label_columns import LabelColumns, labels_of
from medvl.data.question_table import ROW, open_questions
from medvl.data.selection import Selection
from medvl.data.store import ImageStore, build_store
from medvl.data.study_table import open_table
from medvl.errors import ConfigError
from medvl.runs.hashing import pseudonym


@dataclass(frozen=True)
class OpenedData:
    """What of a data set a picture or an embedding is made of.

    Attributes:
        selection: what is taken of it.
        table: the study table, or that of its questions; rows count in it.
        store: decoded radiographs by row of the study table; None where no image is wanted.
        labels: names of the findings, in the order of the columns of `label_values`.
        image_rows: (N,) int64, where the store holds what a row shows, for several questions share a radiograph; None
            where rows are those of the study table.
    """

    dataset: Dataset
    selection: Selection
    table: pa.Table
    store: ImageStore | None
    labels: tuple[str, ...]
    image_rows: np.ndarray | None = None

    @classmethod
    def open(cls, data: Component, selection: Selection, source: int | None, *, questions: bool = False) -> OpenedData:
        """Read the table, and decode what is not decoded yet.

        Args:
            data, selection: the data set and what is taken of it.
            source: side in pixels that the store holds; None where no image is wanted.
            questions: whether each question is a row, where the selection asks some.

        Raises:
            ConfigError: the data set has not what is selected.
            DataError: the files.
        """
        dataset = data.build()
        problems = selection.unfit(dataset, data.name)
        if problems:
            raise ConfigError([f"{data.place}: {problem}" for problem in problems])
        table = studies = open_table(dataset)
        image_rows = None
        if questions and selection.asks:
            table = open_questions(studies)
            image_rows = np.asarray(table.column(ROW))
        store = None
        if source is not None:
            store = build_store(
                dataset, studies.column(IMAGE), side=source, fit=selection.fit, decode=selection.decode,
                folder=cache_folder("images"), max_bad=selection.max_bad,
            )  # fmt: skip
        return cls(dataset, selection, table, store, tuple(selection.chosen_labels(dataset.labels)), image_rows)

    @property
    def good(self) -> np.ndarray | None:
        """(N,) bool, rows whose image can be read; None without images."""
        if self.store is None:
            return None
        return self.store.good if self.image_rows is None else self.store.good[self.image_rows]

    @property
    def label_columns(self) -> LabelColumns | None:
        """Labels by row; None where the data set has none."""
        return labels_of(self.table, self.labels, self.selection) if self.labels else None

    def label_values(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (n,) -> (n, K) float32 to judge by: 1, 0, or NaN where unknown or uncertain."""
        columns = self.label_columns
        return np.zeros((len(rows), 0), np.float32) if columns is None else columns.judged(rows)

    def pseudonyms(self, column: str, rows: np.ndarray) -> list[str]:
        """Row numbers (n,) -> hashes that stand for the images, or the patients, of these rows."""
        return [pseudonym(str(one)) for one in self.table.column(column).take(pa.array(rows)).to_pylist()]

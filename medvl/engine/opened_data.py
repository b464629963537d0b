"""A data set opened to be looked at: its table, its decoded radiographs, and what is known of single rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from medvl.config.component import Component
from medvl.data.cache import cache_folder
from medvl.data.dataset import IMAGE, Dataset
from medvl.data.label_columns import LabelColumns, labels_of
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
        table: the study table; rows count in it.
        store: decoded radiographs by row; None where no image is wanted.
        labels: names of the findings, in the order of the columns of `label_values`.
    """

    dataset: Dataset
    selection: Selection
    table: pa.Table
    store: ImageStore | None
    labels: tuple[str, ...]

    @classmethod
    def open(cls, data: Component, selection: Selection, source: int | None) -> OpenedData:
        """Read the table, and decode what is not decoded yet.

        Args:
            data, selection: the data set and what is taken of it.
            source: side in pixels that the store holds; None where no image is wanted.

        Raises:
            ConfigError: the data set has not what is selected.
            DataError: the files.
        """
        dataset = data.build()
        problems = selection.unfit(dataset, data.name)
        if problems:
            raise ConfigError([f"{data.place}: {problem}" for problem in problems])
        table = open_table(dataset)
        store = None
        if source is not None:
            store = build_store(
                dataset, table.column(IMAGE), side=source, fit=selection.fit, decode=selection.decode,
                folder=cache_folder("images"), max_bad=selection.max_bad,
            )  # fmt: skip
        return cls(dataset, selection, table, store, tuple(selection.chosen_labels(dataset.labels)))

    @property
    def good(self) -> np.ndarray | None:
        """(N,) bool, rows whose image can be read; None without images."""
        return None if self.store is None else self.store.good

    @property
    def label_columns(self) -> LabelColumns | None:
        """Labels by row; None where the data set has none."""
        return labels_of(self.table, self.labels, self.selection) if self.labels else None

    def label_values(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers (n,) -> (n, K) float32: 1, 0, or NaN where unknown."""
        columns = self.label_columns
        return np.zeros((len(rows), 0), np.float32) if columns is None else columns.read(rows)

    def pseudonyms(self, column: str, rows: np.ndarray) -> list[str]:
        """Row numbers (n,) -> hashes that stand for the images, or the patients, of these rows."""
        return [pseudonym(str(one)) for one in self.table.column(column).take(pa.array(rows)).to_pylist()]

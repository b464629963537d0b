"""A stage's data, read: the study table, the decoded images, token ids, labels, and the cases of each split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medvl.contract import DataSpec
from medvl.data.cache import cache_folder
from medvl.data.cases import CaseArrays, TokenArrays
from medvl.data.label_policy import label_matrix
from medvl.data.patients import patients_of
from medvl.data.selection import ids_hash, rows_of, texts_of
from medvl.data.store import ImageStore, build_store
from medvl.engine.assemble import data_spec
from medvl.engine.check import Plan
from medvl.models.tokenizer import Tokenizer
from medvl.runs.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from medvl.data.dataset import Dataset
    from medvl.data.selection import Split


@dataclass
class StageData:
    """What `read_stage_data` found.

    Attributes:
        table: the study table; every row number counts in it.
        store: decoded radiographs by row, or None where the stage looks at none.
        labels: (N, K) float32 with NaN where unknown, or None.
        patients: (N,) int64 patient codes.
        texts: a text of each row, or None.
        rows: split -> row numbers.
        spec: label names and counts of the training cases.
        notes: sentences for the manifest.
    """

    table: pa.Table
    store: ImageStore | None
    labels: np.ndarray | None
    patients: np.ndarray
    texts: list[str] | None
    rows: dict[str, np.ndarray]
    spec: DataSpec
    notes: list[str]
    tokens: TokenArrays | None = None

    @property
    def train(self) -> np.ndarray:
        """Row numbers of the training cases."""
        return self.rows["train"]

    def subset_hash(self) -> str:
        """A hash of the training cases' row numbers."""
        return ids_hash(self.train)

    def tokenize(self, tokenizer: Tokenizer) -> None:
        """Turn all texts into token ids, once."""
        assert self.texts is not None
        ids, offsets = tokenizer.encode(self.texts)
        self.tokens = TokenArrays(ids, offsets, tokenizer.pad)

    def cases(self, split: str) -> CaseArrays:
        """The arrays that a feeder takes."""
        rows = self.rows[split]
        tokens = None if self.tokens is None else _take(self.tokens, rows)
        return CaseArrays(rows, self.store, tokens, None if self.labels is None else self.labels[rows])


def read_stage_data(plan: Plan, dataset: Dataset, seed: int, splits: set[str], show: bool) -> StageData:
    """Read the table, decode what is not decoded yet, and draw the cases of each split.

    Args:
        plan: what the stage reads.
        dataset: its dataset.
        seed: of the experiment; draws splits and fractions, so that all stages and variants agree on them.
        splits: which splits are needed beside the training one.
        show: whether to show progress.

    Raises:
        DataError: anything about the files, before training starts.
    """
    selection = plan.stage.selection
    spec = data_spec(plan.stage, dataset)
    table = dataset.table()
    store = _store(plan, dataset, table, show) if plan.views else None
    good = store.good if store is not None else None
    names = {"train": selection.split} | {name: name for name in splits}
    rows = {key: rows_of(table, _split(name), selection, seed, good) for key, name in names.items()}
    labels = label_matrix(table, spec.labels, selection.policy, selection.blank) if plan.reads_labels else None
    texts = texts_of(table, selection.text) if plan.reads_text and selection.text is not None else None
    notes = _notes(store, texts, rows["train"])
    if labels is not None:
        taught = labels[rows["train"]]
        spec = replace(spec, positives=_count(taught == 1), negatives=_count(taught == 0))
    spec = replace(spec, cases=len(rows["train"]))
    return StageData(table, store, labels, patients_of(table)[0], texts, rows, spec, notes)


def _split(name: str) -> Split:
    return name  # type: ignore[return-value]  # evaluators and selections check the name


def _store(plan: Plan, dataset: Dataset, table: pa.Table, show: bool) -> ImageStore:
    selection = plan.stage.selection
    column = table.column("image")
    with Progress(f"{plan.stage.name}: decoding", table.num_rows, "image", enabled=show) as progress:
        return build_store(
            dataset, column, side=plan.source, fit=selection.fit, folder=cache_folder("images"), max_bad=selection.max_bad,
            progress=lambda done, total: progress.advance(done - progress.done),
        )  # fmt: skip


def _notes(store: ImageStore | None, texts: list[str] | None, train: np.ndarray) -> list[str]:
    notes = []
    if store is not None and not store.good.all():
        notes.append(
            f"{int((~store.good).sum())} of {len(store)} images cannot be read and are left out; why: {_short(store.bad_file)}"
        )
    if texts is not None:
        empty = sum(not texts[row].strip() for row in train.tolist())
        if empty:
            notes.append(
                f"{empty} of {len(train)} training cases have no text in this section; they are read as empty text"
            )
    return notes


def _short(path: Path) -> str:
    return str(path).replace(str(Path.home()), "~", 1)


def _count(matches: np.ndarray) -> tuple[int, ...]:
    return tuple(int(number) for number in matches.sum(0))


def _take(tokens: TokenArrays, rows: np.ndarray) -> TokenArrays:
    """The texts of some rows, in their order."""
    lengths = tokens.offsets[rows + 1] - tokens.offsets[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(offsets[-1]) + np.repeat(tokens.offsets[rows] - offsets[:-1], lengths)
    return TokenArrays(tokens.ids[places], offsets, tokens.pad)

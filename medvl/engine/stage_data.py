"""A stage's data, read: the study table, the decoded images, token ids, labels, and the cases of each split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from medvl.contract import DataSpec
from medvl.data.cache import cache_folder
from medvl.data.cases import CaseArrays, TokenArrays
from medvl.data.dataset import IMAGE, SPLITS
from medvl.data.label_policy import label_matrix
from medvl.data.patients import patients_of
from medvl.data.selection import Split, ids_hash, rows_of, splits_of, texts_of
from medvl.data.store import ImageStore, build_store
from medvl.engine.assemble import data_spec
from medvl.engine.check import Plan
from medvl.engine.context import StageContext
from medvl.models.tokenizer import Tokenizer
from medvl.runs.progress import PATIENCE, Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from medvl.data.dataset import Dataset


@dataclass
class StageData:
    """What `read_stage_data` found.

    Attributes:
        table: the study table; every row number counts in it.
        store: decoded radiographs by row, or None where the stage looks at none.
        labels: (N, K) float32 with NaN where unknown, or None.
        patients: (N,) int64 patient codes.
        texts: a text of each row, or None.
        train: row numbers of the cases to learn from, whatever split they are of.
        splits: split -> row numbers of its cases, for those that validation and evaluators ask for. Of the split that
            the stage learns from, these are the cases it learns from.
        corpus: row numbers of the texts to train a vocabulary on: the whole split that the stage learns from, whatever
            fraction of it is taken, so that all fractions have the same vocabulary.
        spec: label names and counts of the training cases.
        notes: sentences for the manifest.
    """

    table: pa.Table
    store: ImageStore | None
    labels: np.ndarray | None
    patients: np.ndarray
    texts: list[str] | None
    train: np.ndarray
    splits: dict[str, np.ndarray]
    corpus: np.ndarray
    spec: DataSpec
    notes: list[str]
    tokens: TokenArrays | None = None

    def counts(self) -> dict[str, int]:
        """Number of cases to learn from, and of each split, by name."""
        return {"learning": len(self.train)} | {name: len(rows) for name, rows in self.splits.items()}

    def training_texts(self) -> list[str] | None:
        """What a text encoder may train its vocabulary on."""
        return None if self.texts is None else [self.texts[row] for row in self.corpus.tolist()]

    def subset_hash(self) -> str:
        """A hash of the training cases' row numbers."""
        return ids_hash(self.train)

    def tokenize(self, tokenizer: Tokenizer) -> None:
        """Turn all texts into token ids, once."""
        assert self.texts is not None
        ids, offsets = tokenizer.encode(self.texts)
        self.tokens = TokenArrays(ids, offsets, tokenizer.pad)

    def cases(self, rows: np.ndarray) -> CaseArrays:
        """The arrays of these rows that a feeder takes."""
        tokens = None if self.tokens is None else _take(self.tokens, rows)
        return CaseArrays(rows, self.store, tokens, None if self.labels is None else self.labels[rows])


def read_stage_data(context: StageContext, dataset: Dataset) -> StageData:
    """Read the table, decode what is not decoded yet, and draw the cases of each split.

    The experiment's seed, not the stage's own, draws splits and fractions: all stages and variants agree on them.

    Raises:
        Interrupted: asked to stop while decoding; what is decoded stays.
        DataError: anything about the files, before training starts.
    """
    plan, seed = context.plan, context.experiment.seed
    selection = plan.stage.selection
    spec = data_spec(plan.stage, dataset)
    table = dataset.table()
    store = _store(context, dataset, table) if plan.views else None
    good = store.good if store is not None else None
    train = rows_of(table, selection.split, selection, seed, good)
    splits: dict[str, np.ndarray] = {name: rows_of(table, name, selection, seed, good) for name in _wanted(plan)}
    corpus = np.flatnonzero(splits_of(table, selection, seed) == SPLITS.index(selection.split))
    labels = label_matrix(table, spec.labels, selection.policy, selection.blank) if plan.reads_labels else None
    texts = texts_of(table, selection.text) if plan.reads_text and selection.text is not None else None
    notes = _notes(store, texts, train)
    if labels is not None:
        taught = labels[train]
        spec = replace(spec, positives=_count(taught == 1), negatives=_count(taught == 0))
    spec = replace(spec, cases=len(train))
    patients, _ = patients_of(table)
    return StageData(table, store, labels, patients, texts, train, splits, corpus, spec, notes)


def _wanted(plan: Plan) -> list[Split]:
    """The splits that are evaluated: the evaluators' own, and `val` where something validates or stops."""
    wanted = {cast(Split, evaluator.split) for evaluator in plan.evaluators}
    return sorted(wanted | ({"val"} if plan.evaluators or plan.stage.stop is not None else set()))


def _store(context: StageContext, dataset: Dataset, table: pa.Table) -> ImageStore:
    stage = context.stage
    title = f"{stage.name}: decoding"
    with Progress(title, table.num_rows, "image", enabled=context.leads, patience=PATIENCE) as progress:

        def tell(done: int, total: int) -> None:
            context.guard.check()
            progress.advance(done - progress.done)

        return build_store(
            dataset, table.column(IMAGE), side=context.plan.source, fit=stage.selection.fit,
            decode=stage.selection.decode, folder=cache_folder("images"), max_bad=stage.selection.max_bad,
            progress=tell,
        )  # fmt: skip


def _notes(store: ImageStore | None, texts: list[str] | None, train: np.ndarray) -> list[str]:
    notes = []
    if store is not None and not store.good.all():
        bad = int((~store.good).sum())
        notes.append(f"{bad} of {len(store)} images cannot be read and are left out; why: {_short(store.bad_file)}")
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

"""A stage's data, read: the study table, the decoded images, token ids, labels, and the cases of each split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa

from medvl.contract import DataSpec
from medvl.data.cache import cache_folder
from medvl.data.cases import CaseArrays, TokenArrays
from medvl.data.dataset import IMAGE, PATIENT, SPLITS
from medvl.data.draw import rows_of, splits_of
from medvl.data.features import FeatureStore
from medvl.data.label_columns import LabelColumns, labels_of
from medvl.data.lints.finding import Finding
from medvl.data.lints.same_image import stored_contents
from medvl.data.lints.suite import after_reading, of_splits
from medvl.data.mask_build import build_masks
from medvl.data.masks import MaskStore
from medvl.data.patients import codes_of
from medvl.data.selection import Split
from medvl.data.store import ImageStore, build_store
from medvl.data.study_table import open_table
from medvl.data.texts import RowTexts, Texts
from medvl.engine.assemble import data_spec
from medvl.engine.context import StageContext
from medvl.engine.identity import seed_of
from medvl.engine.plan import Plan
from medvl.models.token_store import tokenize
from medvl.models.tokenizer import Tokenizer
from medvl.runs.progress import PATIENCE, Progress

if TYPE_CHECKING:
    from medvl.data.dataset import Dataset


@dataclass
class StageData:
    """What `read_stage_data` found. What is as long as the table lies memory-mapped on the disk.

    Attributes:
        table: the study table; every row number counts in it.
        store: decoded radiographs by row, or None where the stage looks at none.
        labels: labels by row, or None.
        masks: masks by row, of the store's squares, or None.
        texts: a text of each row, or None.
        sides: (N,) int8, each row's place in `SPLITS`, -1 outside the cohort.
        train: row numbers of the cases to learn from, whatever split they are of.
        splits: split -> row numbers of its cases, for those that validation and evaluators ask for. Of the split that
            the stage learns from, these are the cases it learns from.
        learns_from: the split of the cases to learn from.
        spec: label names and counts of the training cases.
        notes: sentences for the manifest.
        findings: what looks wrong about the data (`medvl.data.lints`).
        tokens: token ids by row, once there is a tokenizer.
        features: pooled image features by row, where the plan keeps them and once there is an encoder.
    """

    table: pa.Table
    store: ImageStore | None
    labels: LabelColumns | None
    masks: MaskStore | None
    texts: Texts | None
    sides: np.ndarray
    train: np.ndarray
    splits: dict[str, np.ndarray]
    learns_from: Split
    spec: DataSpec
    notes: list[str]
    findings: list[Finding]
    tokens: TokenArrays | None = None
    features: FeatureStore | None = None

    def counts(self) -> dict[str, int]:
        """Number of cases to learn from, and of each split, by name."""
        return {"learning": len(self.train)} | {name: len(rows) for name, rows in self.splits.items()}

    def training_texts(self) -> RowTexts | None:
        """What a text encoder may train its vocabulary on.

        The whole split that the stage learns from, whatever fraction of it is taken: all fractions have the same
        vocabulary.
        """
        if self.texts is None:
            return None
        return self.texts.of(np.flatnonzero(self.sides == SPLITS.index(self.learns_from)))

    def patients(self, rows: np.ndarray) -> np.ndarray:
        """(n,) int64: equal for images of one patient, among these rows."""
        return codes_of(self.table.column(PATIENT).take(pa.array(rows)))[0]

    def cases(self, rows: np.ndarray) -> CaseArrays:
        """What a feeder takes of these rows."""
        return CaseArrays(rows, self.store, self.tokens, self.labels, self.features, self.masks)


def read_stage_data(context: StageContext, dataset: Dataset) -> StageData:
    """Read the table, decode what is not decoded yet, and draw the cases of each split.

    The experiment's seed, whatever the stage's own, draws splits: all stages and variants agree on who is tested. The
    stage's own draws the fraction, so that stages of one seed agree on it and the seeds of a table differ.

    Raises:
        Interrupted: asked to stop while decoding; what is decoded stays.
        DataError: anything about the files, before training starts.
    """
    plan, seed, shared = context.plan, seed_of(context.experiment, context.stage), context.experiment.seed
    selection = plan.stage.selection
    spec = data_spec(plan.stage, dataset)
    table = open_table(dataset)
    sides = splits_of(table, selection, shared, split_by=dataset.split_by, presets=dataset.expectations)
    store = _store(context, dataset, table) if plan.views else None
    masks = _masks(context, dataset, table, store, spec.masks) if plan.reads_masks and store is not None else None
    rows = partial(rows_of, table, selection=selection, seed=seed, good=store.good if store else None, splits=sides)
    train = rows(selection.split)
    splits: dict[str, np.ndarray] = {name: rows(name) for name in evaluated_splits(plan)}
    texts = Texts(table, selection.text_rule) if plan.reads_text and selection.text_rule is not None else None
    labels = labels_of(table, spec.labels, selection) if plan.reads_labels else None
    findings = of_splits(dataset, selection, table, sides, None if store is None else stored_contents(store.hashes))
    findings += after_reading(
        dataset, selection, texts=texts, names=spec.labels, labels=labels, mirroring=plan.mirroring, train=train,
        evaluated=splits,
    )  # fmt: skip
    if labels is not None:
        positives, negatives = labels.count(train)
        spec = replace(spec, positives=positives, negatives=negatives)
    spec = replace(spec, cases=len(train))
    notes = _notes(store, texts, train) + ([] if masks is None else masks.notes())
    return StageData(table, store, labels, masks, texts, sides, train, splits, selection.split, spec, notes, findings)


def tokens_of(context: StageContext, data: StageData, tokenizer: Tokenizer) -> TokenArrays:
    """The token ids of all rows, read from the cache or made now.

    Raises:
        Interrupted: asked to stop.
    """
    assert data.texts is not None
    with telling(context, "tokenising", len(data.texts), "text") as tell:
        return tokenize(data.texts, tokenizer, tell)


def evaluated_splits(plan: Plan) -> list[Split]:
    """The splits that a stage evaluates: the evaluators' own, and `val` where something validates or stops."""
    wanted = {cast(Split, evaluator.split) for evaluator in plan.evaluators}
    return sorted(wanted | ({"val"} if plan.evaluators or plan.stage.stop is not None else set()))


def _store(context: StageContext, dataset: Dataset, table: pa.Table) -> ImageStore:
    selection = context.stage.selection
    with telling(context, "decoding", table.num_rows, "image") as tell:
        return build_store(
            dataset, table.column(IMAGE), side=context.plan.source, fit=selection.fit, decode=selection.decode,
            folder=cache_folder("images"), max_bad=selection.max_bad, progress=tell,
        )  # fmt: skip


def _masks(
    context: StageContext, dataset: Dataset, table: pa.Table, store: ImageStore, names: tuple[str, ...]
) -> MaskStore:
    with telling(context, "reading masks", table.num_rows, "image") as tell:
        return build_masks(
            dataset, table.column(IMAGE), names, side=store.side, fit=context.stage.selection.fit, good=store.good,
            folder=cache_folder("masks"), progress=tell,
        )  # fmt: skip


@contextmanager
def telling(context: StageContext, doing: str, total: int, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A function that shows (done, total) and stops where the run is asked to."""
    title = f"{context.stage.name}: {doing}"
    with Progress(title, total, unit, enabled=context.leads, patience=PATIENCE) as progress:

        def tell(done: int, total: int) -> None:
            context.guard.check()
            progress.advance(done - progress.done)

        yield tell


def _notes(store: ImageStore | None, texts: Texts | None, train: np.ndarray) -> list[str]:
    notes = []
    if store is not None and not store.good.all():
        bad = int((~store.good).sum())
        notes.append(f"{bad} of {len(store)} images cannot be read and are left out; why: {_short(store.bad_file)}")
    if texts is not None:
        empty = int(texts.blank[train].sum())
        if empty:
            notes.append(
                f"{empty} of {len(train)} training cases have no text in this section; they are read as empty text"
            )
    return notes


def _short(path: Path) -> str:
    return str(path).replace(str(Path.home()), "~", 1)

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

from medvl.contract import UNCERTAIN, DataSpec
from medvl.data.answers import UNSEEN, AnswerClasses
from medvl.data.cache import cache_folder
from medvl.data.cases import CaseArrays, ImageReader, TokenArrays, TokenReader
from medvl.data.dataset import IMAGE, PATIENT, SPLITS, STUDY
from medvl.data.draw import rows_of, splits_of
from medvl.data.features import FeatureStore
from medvl.data.label_columns import LabelColumns, labels_of
from medvl.data.lints.finding import Finding
from medvl.data.lints.same_image import stored_contents
from medvl.data.lints.suite import after_reading, of_splits
from medvl.data.mask_build import build_masks
from medvl.data.masks import MaskStore
from medvl.data.patients import codes_of
from medvl.data.question_table import ANSWER, ROW, open_questions, told_of
from medvl.data.selection import Split
from medvl.data.store import ImageStore, build_store
from medvl.data.study_table import open_table
from medvl.data.texts import RowTexts, Texts
from medvl.engine.assemble import data_spec
from medvl.engine.context import StageContext
from medvl.engine.identity import seed_of
from medvl.engine.plan import Plan
from medvl.engine.start import answers_file
from medvl.models.token_store import tokenize
from medvl.models.tokenizer import Tokenizer
from medvl.runs.folder import ANSWERS
from medvl.runs.progress import PATIENCE, Progress

if TYPE_CHECKING:
    from medvl.data.dataset import Dataset


@dataclass
class StageData:
    """What `read_stage_data` found. What is as long as the table lies memory-mapped on the disk.

    Attributes:
        table: the study table, or that of its questions; every row number counts in it.
        store: decoded radiographs by row of the study table, or None where the stage looks at none.
        image_rows: (N,) int64, each question's row of the study table; None where rows are images.
        answers: (N,) int64, the class of each question's answer; None where the stage reads none.
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
        in_place: radiographs in the place of the store's, where a stage is judged without them.
    """

    table: pa.Table
    store: ImageStore | None
    image_rows: np.ndarray | None
    answers: np.ndarray | None
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
    tokens: TokenReader | None = None
    features: FeatureStore | None = None
    in_place: ImageReader | None = None

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

    def studies(self, rows: np.ndarray) -> np.ndarray:
        """(n,) int64: equal for views of one study, among these rows."""
        return codes_of(self.table.column(STUDY).take(pa.array(rows)))[0]

    def cases(self, rows: np.ndarray) -> CaseArrays:
        """What a feeder takes of these rows."""
        return CaseArrays(
            rows, self.in_place or self.store, self.tokens, self.labels, self.features, image_rows=self.image_rows,
            answers=self.answers, masks=self.masks,
        )  # fmt: skip

    def pixels(self, rows: np.ndarray) -> CaseArrays:
        """The same, always with radiographs and never with features in their place."""
        return replace(self.cases(rows), features=None)

    def shown(self, rows: np.ndarray) -> np.ndarray:
        """(n,) int64: by which the store and features are asked for what these rows show."""
        return self.cases(rows).shown(rows)

    def told(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What evaluators read of these rows beside predictions: `labels`; of questions `answers`, `kind`, ..."""
        fields = {} if self.labels is None else {"labels": self.labels.judged(rows)}
        if self.answers is not None:
            fields |= {"answers": self.answers[rows], **told_of(self.table, rows)}
        return fields


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
    studies = open_table(dataset)
    table = open_questions(studies) if selection.asks else studies
    image_rows = np.asarray(table.column(ROW)) if selection.asks else None
    sides = splits_of(table, selection, shared, split_by=dataset.split_by, presets=dataset.expectations)
    store = _store(context, dataset, studies) if plan.views else None
    masks = _masks(context, dataset, studies, store, spec.masks) if plan.reads_masks and store is not None else None
    good = None if store is None else store.good if image_rows is None else store.good[image_rows]
    rows = partial(rows_of, table, selection=selection, seed=seed, good=good, splits=sides)
    train = rows(selection.split)
    asked = [name for name in evaluated_splits(plan) if name in _needed(plan) or (sides == SPLITS.index(name)).any()]
    splits: dict[str, np.ndarray] = {name: rows(name) for name in asked}
    wanted = plan.reads_text or plan.judges_text
    texts = Texts(table, selection.text_rule) if wanted and selection.text_rule is not None else None
    labels = labels_of(table, spec.labels, selection) if plan.reads_labels else None
    contents = None if store is None else stored_contents(store.hashes)
    findings = of_splits(dataset, selection, studies, _of_images(sides, image_rows, studies.num_rows), contents)
    findings += after_reading(
        dataset, selection, texts=texts, names=spec.labels, labels=labels, mirroring=plan.mirroring, train=train,
        evaluated=splits,
    )  # fmt: skip
    notes, answers = _notes(store, texts, train) + ([] if masks is None else masks.notes()), None
    if labels is not None:
        positives, negatives, uncertain = labels.count(train, (1, 0, UNCERTAIN))
        spec = replace(spec, positives=positives, negatives=negatives)
        never = [name for name, count in zip(spec.labels, positives, strict=True) if not count]
        if never:
            notes.append(f"no positive case of {', '.join(never)} among the {len(train)} that are learned from")
        if spec.uncertain and not any(uncertain):
            notes.append("labels: multi_class keeps uncertain mentions apart, and no training case has any")
    spec = replace(spec, cases=len(train))
    if plan.reads_answers:
        learned_from = np.flatnonzero(sides == SPLITS.index(selection.split))
        classes = _answer_classes(context, table, learned_from)
        answers, spec = classes.number(table.column(ANSWER)), replace(spec, answers=classes.names)
        notes += _answer_notes(classes, answers[train])
    return StageData(
        table, store, image_rows, answers, labels, masks, texts, sides, train, splits, selection.split, spec, notes,
        findings,
    )  # fmt: skip


def _of_images(sides: np.ndarray, image_rows: np.ndarray | None, images: int) -> np.ndarray:
    """(N,) sides of the study table's rows, from those of its questions; an image without one is on none."""
    if image_rows is None:
        return sides
    found = np.full(images, -1, sides.dtype)
    found[image_rows] = sides
    return found


def _answer_classes(context: StageContext, table: pa.Table, rows: np.ndarray) -> AnswerClasses:
    """Those that the stage has written down, of the stage whose objective it starts from, or else of the whole split
    that it learns from.

    Whatever fraction of it is taken, as with a text encoder's vocabulary: all fractions have the same classes.
    """
    own = context.folder / ANSWERS
    known = own if own.is_file() else answers_file(context.plan, context.parents)
    if known is not None:
        return AnswerClasses.read(known)
    return AnswerClasses.of(table.column(ANSWER).take(pa.array(rows)), context.stage.selection.least_answers)


def _answer_notes(classes: AnswerClasses, train: np.ndarray) -> list[str]:
    notes = [f"{len(classes.names)} answers are classes"]
    rare = int((train == UNSEEN).sum())
    if rare:
        notes.append(f"{rare} of {len(train)} training questions have an answer that is no class and teach none")
    return notes


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


def _needed(plan: Plan) -> set[str]:
    """The splits that a stage cannot do without: to validate is none of them where no metric selects the weights."""
    needed = {evaluator.split for evaluator in plan.evaluators}
    if plan.stage.stop is not None or any(evaluator.tunes for evaluator in plan.evaluators):
        needed.add("val")
    return needed


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

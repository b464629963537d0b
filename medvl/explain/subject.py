"""What is looked at: a finished stage, and some cases of its data as it sees them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from medvl.data.cases import CaseArrays, TokenArrays
from medvl.data.dataset import IMAGE
from medvl.data.draw import rows_of, splits_of
from medvl.data.feed import Feeder
from medvl.data.selection import Split
from medvl.data.shown_boxes import shown_boxes
from medvl.data.texts import Texts
from medvl.engine.assemble import build_views
from medvl.engine.identity import seed_of
from medvl.engine.load import TrainedStage
from medvl.engine.opened_data import OpenedData
from medvl.engine.trainable import Trainable
from medvl.errors import DataError
from medvl.explain.case import Case
from medvl.explain.choice import named, varied, with_word
from medvl.models.base import Batch
from medvl.models.token_store import tokenize
from medvl.runs.heat import shown_pixels

POOL = 40  # cases that retrieved ones are searched among
BATCH = 16


@dataclass(frozen=True)
class Asked:
    """What a user may ask for.

    Attributes:
        split: whose cases.
        count: how many, where none is named.
        cases: hashes of cases, in place of a choice.
        word: choose cases whose text has it, and show this word first.
        layer: whose attention, 1 the lowest; the last where None.
        head: 1 the first; the mean of all where None.
        rollout: attention through all layers up to that one (`medvl.explain.word_maps.rolled_out`).
    """

    split: Split = "test"
    count: int = 4
    cases: tuple[str, ...] = ()
    word: str | None = None
    layer: int | None = None
    head: int | None = None
    rollout: bool = False


class Subject:
    """A finished stage, and cases of a split: those asked for, or ones that show many findings.

    Args:
        trained: the stage.
        asked: which cases.

    Attributes:
        cases: in the order of the page.

    Raises:
        ConfigError: the data has not what the stage selects.
        DataError: the stage looks at no image; a case, a word or a split without any; the files.
    """

    def __init__(self, trained: TrainedStage, asked: Asked) -> None:
        view = trained.view()
        if view is None:
            raise DataError(f"stage '{trained.stage.name}' looks at no image. give the folder of a stage that does")
        self.trained, self.asked = trained, asked
        self._view = view
        self._data = OpenedData.open(*trained.data(), view.source, questions=True)
        rule = self._data.selection.text_rule
        self._texts = None if rule is None else Texts(self._data.table, rule)
        self._rows = self._split_rows()
        self.cases = self.look_at(self._chosen())

    @property
    def trainable(self) -> Trainable:
        """Model and objective, in evaluation mode on the CPU."""
        return self.trained.trainable

    @property
    def has_texts(self) -> bool:
        """Whether the stage's data has texts."""
        return self._texts is not None

    @property
    def rows(self) -> np.ndarray:
        """Row numbers of `cases`."""
        return np.array([case.row for case in self.cases], np.int64)

    @cached_property
    def pool(self) -> list[Case]:
        """`cases` and others of the split, evenly spaced, `POOL` in all or as many as there are."""
        others = np.setdiff1d(self._rows, self.rows)
        wanted = min(max(POOL - len(self.cases), 0), len(others))
        spaced = others[np.linspace(0, len(others) - 1, wanted).round().astype(int)] if wanted else others[:0]
        return [*self.cases, *self.look_at(spaced)]

    def feeder(self, rows: np.ndarray) -> Feeder:
        """Batches of these rows in order, as the stage's own evaluation would see them."""
        wanted = {name: view for name, view in build_views(self.trained.stage).items() if name in self._views}
        data = self._data
        arrays = CaseArrays(rows, data.store, self._tokens, data.label_columns, image_rows=data.image_rows)
        seed = self.trained.experiment.seed  # nothing is drawn
        return Feeder(arrays, {"image": self._view} | wanted, batch_size=BATCH, device="cpu", seed=seed)

    def batch(self, row: int) -> Batch:
        """One case alone, so that no text is padded."""
        with closing(self.feeder(np.array([row])).once()) as batches:
            return next(batches)

    def repeated(self, row: int, times: int) -> Batch:
        """One case several times, `BATCH` at most."""
        with closing(self.feeder(np.full(times, row)).once()) as batches:
            return next(batches)

    @torch.no_grad()
    def predict(self, rows: np.ndarray, name: str) -> list[Tensor]:
        """The objective's output of that name of each row."""
        with closing(self.feeder(rows).once()) as batches:
            return [one for batch in batches for one in self.trainable.predict(batch, {name})[name]]

    def look_at(self, rows: np.ndarray) -> list[Case]:
        """These rows as cases."""
        if len(rows) == 0:
            return []
        data = self._data
        keys, texts = data.pseudonyms(IMAGE, rows), self._read_texts(rows)
        labels = data.label_values(rows).tolist()
        boxes = shown_boxes(data.dataset, data.table, rows, data.selection.fit, self._view.window)
        with closing(self.feeder(rows).once()) as batches:
            pixels = [shown_pixels(image[0].numpy()) for batch in batches for image in batch["image"]]
        return [
            Case(int(row), key, image, text, dict(zip(data.labels, values, strict=True)), placed)
            for row, key, image, text, values, placed in zip(rows, keys, pixels, texts, labels, boxes, strict=True)
        ]

    @property
    def _views(self) -> tuple[str, ...]:
        return self.trained.plan.views

    @cached_property
    def _tokens(self) -> TokenArrays | None:
        text = self.trainable.model.text
        return None if text is None or self._texts is None else tokenize(self._texts, text.tokenizer)

    def _split_rows(self) -> np.ndarray:
        """As the stage's own evaluation draws them."""
        experiment, data = self.trained.experiment, self._data
        sides = splits_of(data.table, data.selection, experiment.seed, split_by=data.dataset.split_by,
                          presets=data.dataset.expectations)  # fmt: skip
        seed = seed_of(experiment, self.trained.stage)
        return rows_of(data.table, self.asked.split, data.selection, seed, data.good, splits=sides)

    def _chosen(self) -> np.ndarray:
        rows, asked = self._rows, self.asked
        if asked.cases:
            return rows[named(self._data.pseudonyms(IMAGE, rows), asked.cases, asked.split)]
        if asked.word is not None:
            if self._texts is None:
                raise DataError(f"--word {asked.word}: stage '{self.trained.stage.name}' has no text. do: leave it out")
            rows = with_word(self._texts, rows, asked.word)
        return rows[varied(self._data.label_values(rows), asked.count)]

    def _read_texts(self, rows: np.ndarray) -> list[str]:
        return [""] * len(rows) if self._texts is None else self._texts.read(rows).to_pylist()

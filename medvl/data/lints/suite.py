"""Which lints run when: before any data is read, once the study table is there, and over all images."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from medvl.data.dataset import SPLITS, Dataset
from medvl.data.draw import splits_of
from medvl.data.label_columns import LabelColumns
from medvl.data.lints.finding import Finding, not_accepted
from medvl.data.lints.flips import flips_by_section, flips_by_text
from medvl.data.lints.label_words import labels_said_in_text, sampled
from medvl.data.lints.mined_labels import labels_mined_from_input
from medvl.data.lints.patient_sides import patients_on_two_sides
from medvl.data.lints.same_image import same_images
from medvl.data.lints.undefined import undefined_metrics
from medvl.data.selection import Selection
from medvl.data.texts import Texts


def before_reading(
    dataset: Dataset, selection: Selection, *, reads_text: bool, reads_labels: bool, mirroring: Sequence[str]
) -> list[Finding]:
    """What parameters alone show.

    Args:
        dataset: says what its labels were mined from.
        selection: says which text, and what is accepted.
        reads_text, reads_labels: whether the stage does.
        mirroring: names of the views that mirror.
    """
    if selection.text_rule is None or not reads_text:
        return []
    sections = selection.text_rule.sections
    found = flips_by_section(mirroring, sections)
    if reads_labels:
        found += labels_mined_from_input(dataset.labels_from, sections)
    return not_accepted(found, selection.accept)


def after_reading(
    dataset: Dataset,
    selection: Selection,
    *,
    texts: Texts | None,
    names: Sequence[str],
    labels: LabelColumns | None,
    mirroring: Sequence[str],
    train: np.ndarray,
    evaluated: Mapping[str, np.ndarray],
) -> list[Finding]:
    """What the study table shows, in a second or two whatever its size; in place of what `before_reading` guessed.

    Args:
        dataset, selection, mirroring: as of `before_reading`.
        texts: those that are read, or None.
        names: of the labels.
        labels: their values by row; None where the stage reads none.
        train: (n,) int64 rows of the cases to learn from.
        evaluated: split -> its rows.
    """
    found: list[Finding] = []
    if texts is not None:
        found += flips_by_text(mirroring, str(texts.rule), texts.read(sampled(train)))
    if texts is not None and labels is not None:
        found += labels_mined_from_input(dataset.labels_from, texts.rule.sections)
        found += labels_said_in_text(texts, train, names)
    if labels is not None:
        for split, rows in evaluated.items():
            positives, negatives = labels.count(rows)
            found += undefined_metrics(positives, negatives, names, split)
    return not_accepted(found, selection.accept)


def of_splits(
    dataset: Dataset, selection: Selection, table: pa.Table, splits: np.ndarray, contents: np.ndarray | None = None
) -> list[Finding]:
    """Patients and images on two sides.

    Args:
        dataset: says what its split divides.
        selection: says what is accepted.
        table: the study table.
        splits: (N,) of `splits_as_they_are`.
        contents: (N,) of `medvl.data.lints.same_image`; images are not compared where None.
    """
    found = patients_on_two_sides(table, splits, dataset.split_by)
    if contents is not None:
        found += same_images(table, splits, contents, dataset.split_by)
    return not_accepted(found, selection.accept)


def rows_by_split(splits: np.ndarray) -> dict[str, np.ndarray]:
    """split -> its row numbers, of all of `SPLITS`."""
    return {name: np.flatnonzero(splits == place) for place, name in enumerate(SPLITS)}


def splits_as_they_are(table: pa.Table, selection: Selection, seed: int) -> np.ndarray:
    """(N,) int8 places in `SPLITS`, also where patients stand on two sides or counts are not as expected.

    Raises:
        DataError: as `splits_of` for what is left.
    """
    lenient = copy.copy(selection)
    lenient.expect = {}
    return splits_of(table, lenient, seed, split_by="image")

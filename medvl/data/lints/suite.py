"""Which lints run when: before any data is read, once the study table is there, and over all images."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from medvl.data.dataset import SPLITS, TEXT_PREFIX, Dataset
from medvl.data.lints.finding import PATIENT_SIDES, Finding, not_accepted
from medvl.data.lints.flips import flips_by_section, flips_by_text
from medvl.data.lints.label_words import labels_said_in_text, sampled
from medvl.data.lints.mined_labels import labels_mined_from_input
from medvl.data.lints.patient_sides import patients_on_two_sides
from medvl.data.lints.same_image import same_images
from medvl.data.lints.undefined import undefined_metrics
from medvl.data.selection import Selection, splits_of


def before_reading(
    dataset: Dataset, selection: Selection, *, section: str | None, labels: Sequence[str], mirroring: Sequence[str]
) -> list[Finding]:
    """What parameters alone show.

    Args:
        dataset: says what its labels were mined from.
        selection: says what is accepted.
        section: the text that is read, or None.
        labels: those that are read; none where the stage reads none.
        mirroring: names of the views that mirror.
    """
    if section is None:
        return []
    found = flips_by_section(mirroring, section)
    if labels:
        found += labels_mined_from_input(dataset.labels_from, section)
    return not_accepted(found, selection.accept)


def after_reading(
    dataset: Dataset,
    selection: Selection,
    table: pa.Table,
    *,
    section: str | None,
    labels: Sequence[str],
    mirroring: Sequence[str],
    train: np.ndarray,
    targets: np.ndarray | None,
    evaluated: Mapping[str, np.ndarray],
) -> list[Finding]:
    """What the study table shows, in seconds whatever its size; in place of what `before_reading` guessed.

    Args:
        dataset, selection, section, labels, mirroring: as of `before_reading`.
        table: the study table.
        train: (n,) int64 rows of the cases to learn from.
        targets: (N, K) float32 of all rows, `label_matrix`; None where no labels are read.
        evaluated: split -> its rows.
    """
    found: list[Finding] = []
    if section is not None:
        texts = table.column(TEXT_PREFIX + section).take(pa.array(sampled(train)))
        found += flips_by_text(mirroring, section, texts)
        if labels:
            found += labels_mined_from_input(dataset.labels_from, section)
            found += labels_said_in_text(table, train, labels, section)
    if targets is not None:
        for split, rows in evaluated.items():
            found += undefined_metrics(targets[rows], labels, split)
    return not_accepted(found, selection.accept)


def of_splits(
    table: pa.Table, selection: Selection, splits: np.ndarray, contents: np.ndarray | None = None
) -> list[Finding]:
    """Patients and images on two sides.

    Args:
        table: the study table.
        selection: says what is accepted.
        splits: (N,) of `splits_as_they_are`.
        contents: (N,) of `medvl.data.lints.same_image.file_contents`; images are not compared where None.
    """
    found = patients_on_two_sides(table, splits)
    if contents is not None:
        found += same_images(table, splits, contents)
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
    lenient.accept, lenient.expect = (*selection.accept, PATIENT_SIDES), {}
    return splits_of(table, lenient, seed)

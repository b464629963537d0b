"""Which rows of a study table a stage takes: splits, cohorts, label fractions. All follow from ids and a seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import IMAGE, PATIENT, SPLIT, SPLITS, VIEW, SplitBy
from medvl.data.keyed_hash import keyed_hashes
from medvl.data.lints.finding import PATIENT_SIDES
from medvl.data.patients import require_disjoint
from medvl.data.selection import By, Selection, Split
from medvl.data.texts import Texts
from medvl.errors import DataError, unknown

DEFAULT_SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
OUTSIDE = -1  # the place of a row that `only` leaves out


def splits_of(
    table: pa.Table,
    selection: Selection,
    seed: int,
    *,
    split_by: SplitBy = "patient",
    presets: Mapping[str, Mapping[str, int]] | None = None,
) -> np.ndarray:
    """Each row's split: (N,) int8 place in `SPLITS`, or -1 where `selection.only` leaves it out.

    The table's own split, else one drawn by a hash of (patient, seed) with the shares of `selection.splits`: a patient
    stays on one side however the table grows. Stages that share a test set must be given the same seed.

    Args:
        table: a study table, or one of questions.
        selection: says shares, cohort and expected counts.
        seed: of the drawn split.
        split_by: what the table's own split divides (`Dataset.split_by`); by patient, none may be on two sides.
        presets: what a name in `expect` stands for (`Dataset.expectations`).

    Raises:
        DataError: a patient on two sides; shares asked for where the dataset has a split; an unknown value in
            `only`; counts that differ from `selection.expect`.
    """
    if SPLIT not in table.column_names:
        splits = _drawn_splits(table, selection.splits or DEFAULT_SHARES, seed)
    elif selection.splits is not None:
        raise DataError("the dataset has a split of its own, and `splits` asks to draw another. do: remove `splits`")
    else:
        places = pc.index_in(table.column(SPLIT), pa.array(SPLITS))
        if places.null_count:
            raise DataError(f"{places.null_count} rows of the dataset's split are none of {', '.join(SPLITS)}")
        splits = np.asarray(places).astype(np.int8)
        if split_by == "patient" and PATIENT_SIDES not in selection.accept:
            require_disjoint(table, splits)
    splits = np.where(_cohort(table, selection), splits, np.int8(OUTSIDE))
    _check_counts(splits, selection.expected(presets or {}))
    return splits


def _drawn_splits(table: pa.Table, shares: Mapping[str, float], seed: int) -> np.ndarray:
    uniform = keyed_hashes(table.column(PATIENT), seed, "split") / 2.0**64
    ends = np.cumsum([shares.get(name, 0.0) for name in SPLITS])
    last = max(place for place, name in enumerate(SPLITS) if shares.get(name, 0.0) > 0)
    return np.minimum(np.searchsorted(ends, uniform, side="right"), last).astype(np.int8)


def _cohort(table: pa.Table, selection: Selection) -> np.ndarray:
    """(N,) or () bool: the rows that `only` keeps."""
    kept = np.array(True)
    if selection.views:
        known = [view for view in pc.unique(table.column(VIEW)).to_pylist() if view is not None]
        strange = [view for view in selection.views if view not in known]
        if strange:
            raise DataError(f"only: {unknown('view', strange[0], known)}")
        kept = kept & np.asarray(pc.is_in(table.column(VIEW), pa.array(selection.views)))
    if selection.with_text and selection.text_rule is not None:
        kept = kept & ~Texts(table, selection.text_rule).blank
    return kept


def _counts(splits: np.ndarray) -> dict[str, int]:
    return dict(zip(SPLITS, np.bincount(splits[splits >= 0], minlength=len(SPLITS)).tolist(), strict=True))


def _check_counts(splits: np.ndarray, expect: Mapping[str, int]) -> None:
    counts = _counts(splits)
    if any(counts[name] != number for name, number in expect.items()):
        lines = [f"  {name}: asked {number}, found {counts[name]}" for name, number in expect.items()]
        raise DataError(
            "the splits have other numbers of cases than `expect` says:\n"
            + "\n".join(lines)
            + "\ndo: check the dataset's version and files, or correct `expect`"
        )


def rows_of(
    table: pa.Table,
    split: Split,
    selection: Selection,
    seed: int,
    good: np.ndarray | None = None,
    *,
    splits: np.ndarray | None = None,
) -> np.ndarray:
    """Row numbers of a split, ascending; of `selection.split` only the fraction asked for.

    Args:
        table: a study table.
        split: train, val or test.
        selection: says fraction, cohort and shares.
        seed: of the drawn split and the drawn fraction.
        good: (N,) bool, `ImageStore.good`; others are left out, after the fraction is drawn.
        splits: what `splits_of` gave, where it is at hand.

    Returns:
        (n,) int64.

    Raises:
        DataError: no case is left; and see `splits_of` and `fraction_of`.
    """
    if splits is None:
        splits = splits_of(table, selection, seed)
    rows = np.flatnonzero(splits == SPLITS.index(split))
    if split == selection.split and selection.fraction < 1 and len(rows):
        rows = fraction_of(table, rows, selection.fraction, selection.fraction_by, seed)
    if good is not None:
        rows = rows[good[rows]]
    if len(rows) == 0:
        counts = ", ".join(f"{name} {number}" for name, number in _counts(splits).items())
        raise DataError(
            f"split '{split}' has no readable case (cases: {counts}). "
            "do: choose another split, change the shares in `splits`, widen `only`, or add patients"
        )
    return rows


def fraction_of(table: pa.Table, rows: np.ndarray, fraction: float, by: By, seed: int) -> np.ndarray:
    """A share of `rows`; a smaller share of the same seed lies within a larger one.

    Args:
        table: a study table.
        rows: (n,) int64.
        fraction: in (0, 1].
        by: the share is of the patients (all images of each are taken), or of the images.
        seed: of the order in which they are taken.

    Returns:
        (m,) int64, in the order of `rows`.

    Raises:
        DataError: the share is less than half of one patient or image.
    """
    hashes = keyed_hashes(table.column(IMAGE if by == "image" else PATIENT), seed, f"fraction by {by}", rows)
    ordered = np.sort(hashes)
    distinct = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    wanted = round(fraction * len(distinct))
    if wanted == 0:
        raise DataError(
            f"fraction {fraction:g} of {len(distinct)} {by}s is none. do: choose {1 / len(distinct):.2g} or more"
        )
    return rows[hashes <= distinct[wanted - 1]]

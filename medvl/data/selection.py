"""Which cases, labels and text a stage takes from a dataset: the keys of `data:` that all datasets share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import IMAGE, PATIENT, SPLIT, SPLITS, TEXT_PREFIX
from medvl.data.decode import Decode
from medvl.data.label_policy import BLANKS, POLICIES, Blank, Policy
from medvl.data.patients import codes_of, keyed_hashes, patients_of, require_disjoint
from medvl.data.scaling import Fit
from medvl.errors import ConfigError, DataError, unknown

Split = Literal["train", "val", "test"]
By = Literal["patient", "image"]
DEFAULT_SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
LABEL_KEYS = ("policy", "names", "blank")


class Selection:
    """The shared keys of an experiment's `data:` section.

    Args:
        split: the cases to learn from: train, val or test.
        text: the report section that becomes the text; no text where None.
        labels: a label policy (`medvl.data.label_policy`), or a mapping with `policy`, `names` (which labels, in what
            order; all where left out) and `blank` (`zero` or `ignore`).
        fraction: share of the split to learn from, in (0, 1]. Smaller ones are nested in larger ones of the same seed.
        fraction_by: draw that share of the patients, or of the images.
        splits: shares of patients in train, val and test, for datasets without a split of their own; 0.7, 0.1, 0.2
            where None.
        fit: how images become square (`medvl.data.scaling.square`).
        decode: how image files become pixels, where there is a choice (`medvl.data.decode.Decode`): `window`, `exact`,
            `jpeg2000`.
        max_bad: largest share of unreadable images that is left out; 0 makes any an error.
        expect: numbers of images in splits; other numbers are an error.

    Attributes:
        policy: the label policy.
        names: the labels asked for; None means all.
        blank: what becomes of findings that are not mentioned.

    Raises:
        ConfigError: names every value that is out of range or unknown.
    """

    def __init__(
        self,
        *,
        split: Split = "train",
        text: str | None = None,
        labels: Policy | dict[str, Any] = "positive_vs_rest",
        fraction: float = 1.0,
        fraction_by: By = "patient",
        splits: dict[str, float] | None = None,
        fit: Fit = "crop",
        decode: dict[str, Any] | None = None,
        max_bad: float = 0.01,
        expect: dict[str, int] | None = None,
    ) -> None:
        self.split, self.text, self.fit, self.max_bad = split, text, fit, max_bad
        self.fraction, self.fraction_by = fraction, fraction_by
        self.splits, self.expect = splits, expect or {}
        given: Mapping[str, Any] = labels if isinstance(labels, Mapping) else {"policy": labels}
        self.policy = cast(Policy, given.get("policy", "positive_vs_rest"))
        names = given.get("names")
        self.names: tuple[str, ...] | None = (names,) if isinstance(names, str) else tuple(names) if names else None
        self.blank = cast(Blank, given.get("blank", "zero"))
        problems = [*_label_problems(self, given), *_split_problems(self)]
        try:
            self.decode = Decode.of(decode)
        except ConfigError as error:
            problems += error.problems
        problems += _unlisted("fit", fit, get_args(Fit)) + _unlisted("fraction_by", fraction_by, get_args(By))
        if not 0 < fraction <= 1:
            problems.append(f"fraction is {fraction:g}; a share in (0, 1] is needed, 0.1 for 10 %")
        if not 0 <= max_bad <= 1:
            problems.append(f"max_bad is {max_bad:g}; a share in [0, 1] is needed, 0.01 for 1 %")
        if problems:
            raise ConfigError(problems)

    def chosen_labels(self, known: Sequence[str]) -> tuple[str, ...]:
        """The labels to take of a dataset's `known` ones, in order; none under the policy `none`.

        Raises:
            ConfigError: one that the dataset does not have.
        """
        if self.policy == "none":
            return ()
        if self.names is None:
            return tuple(known)
        problems = [unknown("label", name, known) for name in self.names if name not in known]
        if problems:
            raise ConfigError(problems)
        return self.names


def _unlisted(what: str, value: object, known: Sequence[str]) -> list[str]:
    return [] if value in known else [unknown(what, str(value), known)]


def _label_problems(selection: Selection, given: Mapping[str, Any]) -> list[str]:
    problems = [unknown("key of labels", key, LABEL_KEYS) for key in given if key not in LABEL_KEYS]
    problems += _unlisted("label policy", selection.policy, POLICIES) + _unlisted("blank", selection.blank, BLANKS)
    if selection.policy == "positive_vs_rest" and selection.blank == "ignore":
        problems.append("labels: under positive_vs_rest blanks are 0; to ignore them choose ones, zeros or ignore")
    names = selection.names or ()
    problems += [f"labels: '{name}' is named twice" for name in sorted({n for n in names if names.count(n) > 1})]
    return problems


def _split_problems(selection: Selection) -> list[str]:
    problems = _unlisted("split", selection.split, SPLITS)
    for what, mapping in (("splits", selection.splits or {}), ("expect", selection.expect)):
        problems += [f"{what}: {unknown('split', name, SPLITS)}" for name in mapping if name not in SPLITS]
    if selection.splits is not None:
        shares = selection.splits.values()
        if min(shares, default=0) < 0 or abs(sum(shares) - 1) > 1e-6:
            problems.append(f"splits: {dict(selection.splits)} are not shares that sum to 1")
    return problems


def splits_of(table: pa.Table, selection: Selection, seed: int) -> np.ndarray:
    """Each row's split: (N,) int8 place in `SPLITS`.

    The table's own split, else one drawn by a hash of (patient, seed) with the shares of `selection.splits`: a patient
    stays on one side however the table grows. Stages that share a test set must be given the same seed.

    Raises:
        DataError: a patient on two sides; shares asked for where the dataset has a split; counts that differ from
            `selection.expect`.
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
        require_disjoint(table, splits)
    _check_counts(splits, selection.expect)
    return splits


def _drawn_splits(table: pa.Table, shares: Mapping[str, float], seed: int) -> np.ndarray:
    codes, ids = patients_of(table)
    uniform = keyed_hashes(ids, seed, "split") / 2.0**64
    ends = np.cumsum([shares.get(name, 0.0) for name in SPLITS])
    last = max(place for place, name in enumerate(SPLITS) if shares.get(name, 0.0) > 0)
    sides = np.minimum(np.searchsorted(ends, uniform, side="right"), last).astype(np.int8)
    return sides[codes]


def _check_counts(splits: np.ndarray, expect: Mapping[str, int]) -> None:
    counts = dict(zip(SPLITS, np.bincount(splits, minlength=len(SPLITS)).tolist(), strict=True))
    if any(counts[name] != number for name, number in expect.items()):
        lines = [f"  {name}: asked {number}, found {counts[name]}" for name, number in expect.items()]
        raise DataError(
            "the splits have other numbers of images than `expect` says:\n"
            + "\n".join(lines)
            + "\ndo: check the dataset's version and files, or correct `expect`"
        )


def rows_of(
    table: pa.Table, split: Split, selection: Selection, seed: int, good: np.ndarray | None = None
) -> np.ndarray:
    """Row numbers of a split, ascending; of `selection.split` only the fraction asked for.

    Args:
        table: a study table.
        split: train, val or test.
        selection: says fraction and shares.
        seed: of the drawn split and the drawn fraction.
        good: (N,) bool, `ImageStore.good`; others are left out, after the fraction is drawn.

    Returns:
        (n,) int64.

    Raises:
        DataError: no case is left; and see `splits_of`.
    """
    splits = splits_of(table, selection, seed)
    rows = np.flatnonzero(splits == SPLITS.index(split))
    if split == selection.split and selection.fraction < 1:
        rows = fraction_of(table, rows, selection.fraction, selection.fraction_by, seed)
    if good is not None:
        rows = rows[good[rows]]
    if len(rows) == 0:
        counts = ", ".join(f"{name} {(splits == place).sum()}" for place, name in enumerate(SPLITS))
        raise DataError(
            f"split '{split}' has no readable case (images: {counts}). "
            "do: choose another split, change the shares in `splits`, or add patients"
        )
    return rows


def fraction_of(table: pa.Table, rows: np.ndarray, fraction: float, by: By, seed: int) -> np.ndarray:
    """A share of `rows`, at least one patient or image; a smaller share of the same seed lies within a larger one.

    Args:
        table: a study table.
        rows: (n,) int64.
        fraction: in (0, 1].
        by: the share is of the patients (all images of each are taken), or of the images.
        seed: of the order in which they are taken.

    Returns:
        (m,) int64, in the order of `rows`.
    """
    codes, ids = codes_of(table.column(IMAGE if by == "image" else PATIENT).take(pa.array(rows)))
    order = np.argsort(keyed_hashes(ids, seed, f"fraction by {by}"), kind="stable")
    taken = np.zeros(len(ids), bool)
    taken[order[: max(1, round(fraction * len(ids)))]] = True
    return rows[taken[codes]]


def texts_of(table: pa.Table, section: str) -> list[str]:
    """A report section of every row; empty where a report has none.

    Raises:
        DataError: no such section (with the nearest), or no row has any text in it.
    """
    name = TEXT_PREFIX + section
    if name not in table.column_names:
        known = [c.removeprefix(TEXT_PREFIX) for c in table.column_names if c.startswith(TEXT_PREFIX)]
        raise DataError(unknown("text section", section, known))
    texts = pc.fill_null(table.column(name), "")
    if not pc.any(pc.not_equal(texts, "")).as_py():
        raise DataError(f"text section '{section}' is empty in all {table.num_rows} rows. do: choose another section")
    return texts.to_pylist()


def ids_hash(rows: np.ndarray) -> str:
    """A short hash of row numbers and their order, to compare what two runs were given."""
    return hashlib.blake2b(np.ascontiguousarray(rows, "<i8").tobytes(), digest_size=8).hexdigest()

"""What a study table holds, counted: labels, views, ages, texts, splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.dataset import IMAGE, PATIENT, SPLITS, STUDY, TEXT_PREFIX, VIEW
from medvl.data.label_policy import POLICIES, Blank, Policy, label_column, labels_of, prevalence
from medvl.data.patients import codes_of
from medvl.data.question_counts import QuestionCounts, question_counts

AGE = "age"
NOT_GIVEN = "not given"


@dataclass(frozen=True)
class LabelCounts:
    """How many images say what of a finding; the four add up to all images."""

    name: str
    positive: int
    uncertain: int
    negative: int
    blank: int


@dataclass(frozen=True)
class Section:
    """The texts of a section, each study's counted once.

    Attributes:
        missing: studies without it.
        words: (n,) words of each text that is there.
    """

    name: str
    missing: int
    words: np.ndarray


@dataclass(frozen=True)
class Statistics:
    """A dataset in numbers.

    Attributes:
        images, studies, patients: how many.
        per_patient, per_study: (P,) and (S,) images of each.
        splits: split -> (images, studies, patients); those without images are left out.
        labels: in the dataset's order.
        prevalence: policy -> per label the share of positives among the cases that count, None where the policy says
            nothing of it.
        views: view -> images, most frequent first.
        ages: (n,) years, of the images where it is known; None where the table has no ages.
        sections: in the dataset's order.
        questions: split -> what is asked there; empty where nothing is.
    """

    images: int
    studies: int
    patients: int
    per_patient: np.ndarray
    per_study: np.ndarray
    splits: dict[str, tuple[int, int, int]]
    labels: list[LabelCounts]
    prevalence: dict[str, list[float | None]]
    views: dict[str, int]
    ages: np.ndarray | None
    sections: list[Section]
    questions: dict[str, QuestionCounts]


def statistics_of(table: pa.Table, splits: np.ndarray, labels: Sequence[str], sections: Sequence[str]) -> Statistics:
    """Count everything.

    Args:
        table: a study table.
        splits: (N,) int8 places in `SPLITS`.
        labels: names of the labels to count.
        sections: names of the text sections.
    """
    patients, studies = codes_of(table.column(PATIENT))[0], codes_of(table.column(STUDY))[0]
    per_patient, per_study = np.bincount(patients), np.bincount(studies)
    first_of_study = pa.array(np.unique(studies, return_index=True)[1])
    return Statistics(
        images=table.num_rows,
        studies=len(per_study),
        patients=len(per_patient),
        per_patient=per_patient,
        per_study=per_study,
        splits=_splits(splits, studies, patients),
        labels=[_label(table, name) for name in labels],
        prevalence=_prevalence(table, labels),
        views=_views(table),
        ages=_ages(table),
        sections=[_section(table.column(TEXT_PREFIX + name).take(first_of_study), name) for name in sections],
        questions=question_counts(table, splits),
    )


def count_units(table: pa.Table) -> dict[str, int]:
    """`images`, `studies`, `patients` of a table."""
    distinct = {"images": IMAGE, "studies": STUDY, "patients": PATIENT}
    return {name: len(pc.unique(table.column(column))) for name, column in distinct.items()}


def _splits(splits: np.ndarray, studies: np.ndarray, patients: np.ndarray) -> dict[str, tuple[int, int, int]]:
    found = {}
    for place, name in enumerate(SPLITS):
        rows = splits == place
        if rows.any():
            found[name] = (int(rows.sum()), len(np.unique(studies[rows])), len(np.unique(patients[rows])))
    return found


def _label(table: pa.Table, name: str) -> LabelCounts:
    column = label_column(table, name)
    positive, uncertain, negative = (pc.sum(pc.equal(column, value)).as_py() or 0 for value in (1, -1, 0))
    return LabelCounts(name, positive, uncertain, negative, column.null_count)


def _prevalence(table: pa.Table, labels: Sequence[str]) -> dict[str, list[float | None]]:
    """Every policy that says something of one of the labels, and where there are blanks those that ignore them."""
    found: dict[str, list[float | None]] = {}
    rules: list[tuple[str, Policy, Blank]] = [
        (policy, cast(Policy, policy), "zero") for policy in POLICIES if policy != "none"
    ]
    if any(label_column(table, label).null_count for label in labels):
        named: tuple[Policy, ...] = ("ones", "zeros", "ignore")
        rules += [(f"{policy}, blank ignored", policy, "ignore") for policy in named]
    for title, policy, blank in rules:
        own = labels_of(policy)  # a policy for a few labels is of use where the dataset has them all
        if own is not None and not set(own) <= set(labels):
            continue
        counts = prevalence(table, [label for label in labels if own is None or label in own], policy, blank)
        shares = {label: count.share for label, count in counts.items() if count.positives + count.negatives}
        if shares:
            found[title] = [shares.get(label) for label in labels]
    return found


def _views(table: pa.Table) -> dict[str, int]:
    counts = pc.value_counts(pc.fill_null(table.column(VIEW), NOT_GIVEN)).to_pylist()
    return {entry["values"]: entry["counts"] for entry in sorted(counts, key=lambda entry: -entry["counts"])}


def _ages(table: pa.Table) -> np.ndarray | None:
    if AGE not in table.column_names:
        return None
    return np.asarray(table.column(AGE).drop_null().cast(pa.float64()))


def _section(texts: pa.ChunkedArray, name: str) -> Section:
    words = np.asarray(pc.count_substring_regex(pc.fill_null(texts, ""), r"\S+"))
    return Section(name, int((words == 0).sum()), words[words > 0])

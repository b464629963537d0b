"""The statistics of a dataset as tables."""

from __future__ import annotations

import numpy as np

from medvl.data.statistics import Statistics
from medvl.runs.tables import Table


def statistics_tables(statistics: Statistics, title: str) -> dict[str, Table]:
    """What there is to tell, by the stem of its file: units, labels, prevalence, views, ages, texts, questions."""
    tables = {"units": _units(statistics, title)}
    if statistics.labels:
        tables["labels"] = _labels(statistics)
        tables["prevalence"] = _prevalence(statistics)
    tables["views"] = _views(statistics)
    if statistics.ages is not None:
        tables["ages"] = _ages(statistics)
    if statistics.sections:
        tables["texts"] = _texts(statistics)
    if statistics.questions:
        tables["questions"] = _questions(statistics)
    return tables


def _units(statistics: Statistics, title: str) -> Table:
    everything = (statistics.images, statistics.studies, statistics.patients)
    rows = [["all", *_numbers(everything)], *([name, *_numbers(counts)] for name, counts in statistics.splits.items())]
    notes = [
        f"images of a {unit}: {counts.mean():.2f} on average, {counts.max()} at most"
        for unit, counts in (("patient", statistics.per_patient), ("study", statistics.per_study))
    ]
    return Table(title, ["split", "images", "studies", "patients"], rows, notes)


def _labels(statistics: Statistics) -> Table:
    rows = [
        [label.name, *_numbers((label.positive, label.uncertain, label.negative, label.blank))]
        for label in statistics.labels
    ]
    columns = ["label", "positive", "uncertain", "negative", "not mentioned"]
    return Table("what is said of each label (images)", columns, rows)


def _prevalence(statistics: Statistics) -> Table:
    columns: dict[tuple[float | None, ...], list[str]] = {}
    for policy, shares in statistics.prevalence.items():  # policies that come to the same share a column
        columns.setdefault(tuple(shares), []).append(policy)
    rows = [
        [label.name, *("–" if shares[place] is None else f"{shares[place]:.1%}" for shares in columns)]
        for place, label in enumerate(statistics.labels)
    ]
    notes = ["share of positives among the cases that count; `labels: {policy: ..., blank: ...}` chooses"]
    titles = [" = ".join(policies) if len(policies) <= 3 else "most policies" for policies in columns.values()]
    return Table("prevalence under each label policy", ["label", *titles], rows, notes)


def _views(statistics: Statistics) -> Table:
    rows = [[view, f"{number:,}", f"{number / statistics.images:.1%}"] for view, number in statistics.views.items()]
    return Table("views", ["view", "images", "share"], rows)


def _ages(statistics: Statistics) -> Table:
    ages = statistics.ages
    assert ages is not None
    known = ["–"] * 5 if len(ages) == 0 else [f"{value:.0f}" for value in np.percentile(ages, [0, 25, 50, 75, 100])]
    row = ["years", f"{statistics.images - len(ages):,}", *known]
    return Table("ages (images)", ["", "not given", "youngest", "25 %", "median", "75 %", "oldest"], [row])


def _texts(statistics: Statistics) -> Table:
    rows = []
    for section in statistics.sections:
        words = ["–"] * 4
        if len(section.words):
            words = [f"{value:.0f}" for value in np.percentile(section.words, [5, 50, 95, 100])]
        share = section.missing / statistics.studies
        rows.append([section.name, f"{section.missing:,}", f"{share:.1%}", *words])
    columns = ["section", "missing", "share", "words: 5 %", "median", "95 %", "longest"]
    return Table("texts (studies)", columns, rows)


def _questions(statistics: Statistics) -> Table:
    rows = [
        [split, *_numbers((asked.questions, asked.closed, asked.open, asked.answers, asked.unseen))]
        for split, asked in statistics.questions.items()
    ]
    notes = ["answers are compared without case; unseen: questions whose answer no question of train has"]
    return Table("questions", ["split", "questions", "closed", "open", "different answers", "unseen"], rows, notes)


def _numbers(values: tuple[int, ...]) -> list[str]:
    return [f"{value:,}" for value in values]

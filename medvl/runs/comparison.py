"""Runs beside each other: the same cases of each, and the table of their differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medvl.errors import DataError, nearest
from medvl.evaluate.base import Cases
from medvl.evaluate.compare import Comparison
from medvl.runs.folder import find_stage, predictions_file
from medvl.runs.predictions import Predictions, read_predictions
from medvl.runs.subject import Subject, decimals, spelled
from medvl.runs.tables import Table

WHY_NOT_MEDVILL = (
    "t-test: MedViLL's, on 30 bootstrap replicates of each run. its p shrinks as replicates grow, since it takes each "
    "for a new patient; trust the p beside it"
)


def short_names(runs: Sequence[Path]) -> list[str]:
    """Each path's last parts, as many as tell them all apart."""
    parts = [path.resolve().parts for path in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    raise DataError(f"'{runs[0]}' is given twice or is the same folder as another. give different runs")


def read_run(run: Path, split: str) -> Predictions:
    """The per-case predictions of a run's split.

    Raises:
        DataError: the run has not predicted that split.
    """
    folder = find_stage(run)
    path = folder / predictions_file(split)
    if not path.is_file():
        there = sorted(file.stem for file in path.parent.glob("*.parquet"))
        known = f"{nearest(split, there)} it has: {', '.join(there) or 'none'}"
        raise DataError(f"'{folder}' holds no predictions of split '{split}'.{known}. choose with --split")
    return read_predictions(path)


def judges(found: Predictions) -> bool:
    """Whether predictions can be judged anew: findings by their labels and logits, or answers."""
    return found.answers or ("labels" in found.cases.fields and "logits" in found.cases.outputs)


def same_cases(runs: dict[str, Predictions]) -> dict[str, Cases]:
    """The cases of each run in one order, with equal row numbers for equal images and the first run's findings.

    Rows of the study table are no identity: two runs may have read differently filtered tables. The hash of the image
    is one, and the order within the table where an image stands in several rows.

    Raises:
        DataError: the runs hold different cases, or different findings, or only some of them answers.
    """
    first, reference = next(iter(runs.items()))
    ordered = {name: np.lexsort((run.questions, run.cases.rows, run.keys)) for name, run in runs.items()}
    keys = reference.keys[ordered[first]]
    found = {}
    for name, run in runs.items():
        if not np.array_equal(run.keys[ordered[name]], keys):
            raise DataError(
                f"runs '{first}' and '{name}' predicted different cases and cannot be compared: {len(keys)} and "
                f"{len(run.keys)} cases, {len(np.intersect1d(keys, run.keys))} images in common. give runs on the same "
                "split of the same data, drawn with the same seed"
            )
        if run.answers != reference.answers:
            raise DataError(f"runs '{first}' and '{name}' cannot be compared: only one of them answers questions")
        if set(run.labels) != set(reference.labels):
            differing = ", ".join(sorted(set(run.labels) ^ set(reference.labels)))
            raise DataError(
                f"runs '{first}' and '{name}' predicted different findings and cannot be compared. only one of them "
                f"has: {differing}"
            )
        fields, outputs = _told(run, ordered[name], reference.labels)
        studies = None if run.cases.studies is None else run.cases.studies[ordered[name]]
        found[name] = replace(
            run.cases, rows=np.arange(len(keys)), patients=run.cases.patients[ordered[name]], fields=fields,
            outputs=outputs, studies=studies,
        )  # fmt: skip
    return found


def _told(run: Predictions, rows: np.ndarray, labels: Sequence[str]) -> tuple[dict, dict]:
    """Fields and outputs that are compared, in the order of the rows and the findings."""
    fields, outputs = run.cases.fields, run.cases.outputs
    if run.answers:
        names = ("answers", "kind", "type", "organ")
        return {name: fields[name][rows] for name in names}, {"answer": outputs["answer"][rows]}
    order = np.ix_(rows, np.array([run.labels.index(label) for label in labels]))
    return {"labels": fields["labels"][order]}, {"logits": outputs["logits"][order]}


def comparison_table(
    comparison: Comparison, run: str, baseline: str, subject: Subject, notes: Sequence[str], medvill: bool = False
) -> Table:
    """Every metric of both runs, the difference with its interval, p, and p adjusted over the findings or types.

    Args:
        comparison: of `compare_findings(run, baseline)`, of `compare_answers` or of `compare_draws`.
        run, baseline: what they are called.
        subject: what was compared.
        notes: how, to stand below.
        medvill: also show MedViLL's t-test, and say what is wrong with it.
    """
    columns = [subject.rows, run, baseline, "difference", "p", "p (Holm)", *(["t-test"] if medvill else [])]
    rows = []
    for name, each in comparison.metrics.items():
        places = decimals(each.b)
        cells = [subject.row(name), _number(each.a, places), _number(each.b, places), spelled(each.difference, places)]
        cells += [_p(each.difference.p), _p(each.adjusted), *([_p(each.medvill)] if medvill else [])]
        rows.append(cells)
    title = f"{subject.title}: {run} minus {baseline}" + (" (below 0 is better)" if subject.falls else "")
    return Table(title, columns, rows, [*comparison.notes, *notes, *([WHY_NOT_MEDVILL] if medvill else [])])


def _number(value: float, places: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{places}f}"


def _p(p: float) -> str:
    if math.isnan(p):
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"

"""Per-case predictions as Parquet: what every table, interval and comparison is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medvl.data.answers import UNSEEN
from medvl.data.dataset import IMAGE, LABEL_PREFIX, PATIENT, STUDY
from medvl.data.question_table import ANSWER, NUMBER, SPELT
from medvl.errors import DataError
from medvl.evaluate.base import Cases
from medvl.files import write_atomic
from medvl.runs.hashing import pseudonym

if TYPE_CHECKING:
    from collections.abc import Sequence

PER_LABEL = {"logits": "logit.", "probabilities": "probability."}  # outputs with one column a finding
OTHER_PREFIX = "output."


@dataclass(frozen=True)
class Predictions:
    """A file of predictions.

    Attributes:
        cases: rows, patients (codes 0..P-1), labels and outputs.
        labels: the findings' names, in the order of the columns.
        keys: (N,) the hash of each case's image reference: equal for the same image in any run.
        questions: (N,) int64, which of the questions in the image's row a case is; 0 where cases are images.
    """

    cases: Cases
    labels: tuple[str, ...]
    keys: np.ndarray
    questions: np.ndarray

    @property
    def answers(self) -> bool:
        """Whether the cases are questions and the predictions answers."""
        return "answers" in self.cases.fields and "answer" in self.cases.outputs


def write_predictions(path: str | Path, cases: Cases, table: pa.Table, labels: Sequence[str]) -> Path:
    """Write one line a case: `row`, `case`, `patient`, `study`, `label.NAME`, `logit.NAME` or `probability.NAME`.

    `case`, `patient` and `study` are hashes of the image reference, the patient and the study, the latter where the
    cases say it; no identifier and no text is written. Where cases are questions there are `question`, its number among
    those of the image's row, `answer`, the class of the true one (null where it is none), and `kind`, `type` and
    `organ`.
    Any other output of the objective becomes `output.NAME`, (N,) as numbers and (N, D) as lists.

    Args:
        path: the file to make or replace, atomically.
        cases: predictions, with `labels` (N, K) where there are any.
        table: the study table, or that of questions, that `cases.rows` count in.
        labels: names of the K findings.

    Raises:
        DataError: an array does not have one row a case, or one column a finding where it should.
    """
    patients = table.column(PATIENT).take(pa.array(cases.rows))
    columns: dict[str, pa.Array] = {
        "row": pa.array(cases.rows, pa.int64()),
        "case": pa.array(case_keys(table, cases.rows)),
        "patient": pa.array([pseudonym(str(patient)) for patient in patients.to_pylist()]),
    }
    if cases.studies is not None:
        studies = table.column(STUDY).take(pa.array(cases.rows))
        columns[STUDY] = pa.array([pseudonym(str(study)) for study in studies.to_pylist()])
    if "labels" in cases.fields:
        columns |= _per_label(LABEL_PREFIX, "labels", cases.fields["labels"], labels, len(cases.rows))
    if "answers" in cases.fields:
        columns |= _of_questions(cases, table)
    for name, values in cases.outputs.items():
        if name in PER_LABEL:
            columns |= _per_label(PER_LABEL[name], name, values, labels, len(cases.rows))
        else:
            columns[OTHER_PREFIX + name] = _other(name, values, len(cases.rows))
    return write_atomic(path, lambda file: pq.write_table(pa.table(columns), file, compression="zstd"))


def case_keys(table: pa.Table, rows: np.ndarray) -> list[str]:
    """What stands for each row's image in what a run writes: equal for the same image in any run."""
    return [pseudonym(str(image)) for image in table.column(IMAGE).take(pa.array(rows)).to_pylist()]


def read_predictions(path: str | Path) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises:
        DataError: the file is missing or is no file of predictions.
    """
    try:
        table = pq.read_table(Path(path))
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"predictions '{path}' cannot be read: {error}. give a predictions.parquet that a run wrote"
        ) from error
    missing = [name for name in ("row", "case", "patient") if name not in table.column_names]
    if missing:
        raise DataError(f"'{path}' holds no predictions: column '{missing[0]}' is missing. it has {table.column_names}")
    fields, outputs = {}, {}
    labels = _names(table, LABEL_PREFIX)
    if labels:
        fields["labels"] = _matrix(table, LABEL_PREFIX, labels)
    for name, prefix in PER_LABEL.items():
        if found := _names(table, prefix):
            labels = labels or found
            outputs[name] = _matrix(table, prefix, found)
    if ANSWER in table.column_names:
        fields["answers"] = table[ANSWER].fill_null(UNSEEN).to_numpy()
        fields |= {name: np.array(table[name].to_pylist(), str) for name in SPELT}
    for name in _names(table, OTHER_PREFIX):
        outputs[name] = np.array(table[OTHER_PREFIX + name].to_pylist())
    patients = np.unique(table["patient"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    studies = None
    if STUDY in table.column_names:
        studies = np.unique(table[STUDY].to_numpy(), return_inverse=True)[1].astype(np.int64)
    cases = Cases(table["row"].to_numpy(), patients, fields, outputs, studies)
    questions = table[NUMBER].to_numpy() if NUMBER in table.column_names else np.zeros(len(patients), np.int64)
    return Predictions(cases, labels, table["case"].to_numpy(), questions)


def _per_label(prefix: str, name: str, values: np.ndarray, labels: Sequence[str], size: int) -> dict[str, pa.Array]:
    if values.shape != (size, len(labels)):
        raise DataError(
            f"{name} of shape {values.shape} cannot be written: {size} cases of {len(labels)} findings were expected"
        )
    # unknown labels are null in the file; a logit that is not a number must stay one, to be seen
    return {
        prefix + label: pa.array(column, pa.float32(), from_pandas=name == "labels")
        for label, column in zip(labels, np.ascontiguousarray(values.T), strict=True)
    }


def _of_questions(cases: Cases, table: pa.Table) -> dict[str, pa.Array]:
    truth = cases.fields["answers"]
    told = {name: pa.array(cases.fields[name]).dictionary_encode() for name in SPELT}
    number = table[NUMBER].take(pa.array(cases.rows)).cast(pa.int64())
    return {NUMBER: number, ANSWER: pa.array(truth, pa.int64(), mask=truth == UNSEEN), **told}


def _other(name: str, values: np.ndarray, size: int) -> pa.Array:
    if len(values) != size or values.ndim not in (1, 2):
        raise DataError(f"output '{name}' of shape {values.shape} cannot be written: ({size},) or ({size}, D) can")
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def _names(table: pa.Table, prefix: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(prefix) for name in table.column_names if name.startswith(prefix))


def _matrix(table: pa.Table, prefix: str, labels: Sequence[str]) -> np.ndarray:
    """(N, K) float32, NaN for null."""
    return np.stack([table[prefix + label].to_numpy().astype(np.float32) for label in labels], axis=1)

"""Per-case predictions hold what evaluation needs, and no identifier."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medvl import Cases, DataError, DataSpec
from medvl.evaluate.multilabel import Multilabel
from medvl.runs.predictions import read_predictions, write_predictions

LABELS = ("Edema", "Pleural Effusion")
TABLE = pa.table(
    {
        "image": [f"files/p10/s5/image{row}.dcm" for row in range(20)],
        "patient": [f"p1000{row // 3}" for row in range(20)],
        "study": [f"p1000/s5{row // 2}" for row in range(20)],
        "text.indication": ["chest pain in Mr Example"] * 20,
    }
)


def predicted(rows, **outputs):
    random = np.random.default_rng(0)
    rows = np.asarray(rows)
    labels = (random.random((len(rows), 2)) < 0.5).astype(np.float32)
    labels[0, 1] = np.nan
    logits = random.normal(size=(len(rows), 2)).astype(np.float32)
    return Cases(rows, rows // 3, {"labels": labels}, {"logits": logits, **outputs})


def test_what_is_written_is_read(tmp_path):
    cases = predicted([4, 2, 19, 7, 8])
    found = read_predictions(write_predictions(tmp_path / "test.parquet", cases, TABLE, LABELS))
    assert found.labels == LABELS
    np.testing.assert_array_equal(found.cases.rows, cases.rows)
    np.testing.assert_array_equal(found.cases.fields["labels"], cases.fields["labels"])
    np.testing.assert_array_equal(found.cases.outputs["logits"], cases.outputs["logits"])
    same = cases.patients[:, None] == cases.patients
    np.testing.assert_array_equal(found.cases.patients[:, None] == found.cases.patients, same)
    evaluate = Multilabel(DataSpec(labels=LABELS), replicates=20)
    np.testing.assert_equal(evaluate.evaluate(found.cases).metrics, evaluate.evaluate(cases).metrics)


def test_which_views_are_of_a_study_is_read_back(tmp_path):
    cases = replace(predicted([4, 2, 5, 19, 3]), studies=np.array([0, 1, 0, 2, 1]))
    path = write_predictions(tmp_path / "test.parquet", cases, TABLE, LABELS)
    found = read_predictions(path).cases.studies
    np.testing.assert_array_equal(found[:, None] == found, cases.studies[:, None] == cases.studies)
    assert b"p1000" not in path.read_bytes() + str(pq.read_table(path).to_pylist()).encode()
    assert read_predictions(write_predictions(path, predicted([4, 2]), TABLE, LABELS)).cases.studies is None


def test_columns_are_plain_and_hold_no_identifier_and_no_text(tmp_path):
    path = write_predictions(tmp_path / "test.parquet", predicted([4, 2, 9]), TABLE, LABELS)
    table = pq.read_table(path)
    labels = [f"{kind}.{name}" for kind in ("label", "logit") for name in LABELS]
    assert table.column_names == ["row", "case", "patient", *labels]
    assert table["label.Pleural Effusion"].null_count == 1
    written = path.read_bytes() + str(table.to_pylist()).encode()
    for secret in (b"p1000", b"image4", b"files/", b"Example"):
        assert secret not in written


def test_a_case_has_the_same_key_in_every_run(tmp_path):
    a = read_predictions(write_predictions(tmp_path / "a.parquet", predicted([4, 2, 9]), TABLE, LABELS))
    b = read_predictions(write_predictions(tmp_path / "b.parquet", predicted([9, 4]), TABLE, LABELS))
    assert a.keys[[2, 0]].tolist() == b.keys.tolist() and len(set(a.keys)) == 3


def test_other_outputs_and_cases_without_labels(tmp_path):
    embedding = np.arange(15, dtype=np.float32).reshape(3, 5)
    score = np.array([1, 2, 3])
    cases = predicted([4, 2, 9], probabilities=np.full((3, 2), 0.25, np.float32), embedding=embedding, score=score)
    cases.fields.clear()
    found = read_predictions(write_predictions(tmp_path / "test.parquet", cases, TABLE, LABELS))
    assert found.labels == LABELS and not found.cases.fields
    for name, values in cases.outputs.items():
        np.testing.assert_array_equal(found.cases.outputs[name], values)


def test_a_logit_that_is_not_a_number_stays_one(tmp_path):
    cases = predicted([4, 2, 9])
    cases.outputs["logits"][1, 0] = np.nan
    path = write_predictions(tmp_path / "test.parquet", cases, TABLE, LABELS)
    assert pq.read_table(path)["logit.Edema"].null_count == 0
    assert np.isnan(read_predictions(path).cases.outputs["logits"][1, 0])


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"labels of shape \(3, 2\).*3 cases of 1 findings"):
        write_predictions(tmp_path / "a.parquet", predicted([1, 2, 3]), TABLE, ("Edema",))
    with pytest.raises(DataError, match=r"output 'embedding' of shape \(2, 4\)"):
        write_predictions(tmp_path / "a.parquet", predicted([1, 2, 3], embedding=np.ones((2, 4))), TABLE, LABELS)
    with pytest.raises(DataError, match="cannot be read"):
        read_predictions(tmp_path / "a.parquet")
    pq.write_table(pa.table({"row": [1]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="column 'case' is missing"):
        read_predictions(tmp_path / "b.parquet")

"""The metrics log survives kills, resumes and a missing TensorBoard."""

import math

import pytest

from medvl import DataError
from medvl.runs.metrics_log import MetricsLog, Record, read_metrics


def written(path, steps):
    with MetricsLog(path) as log:
        for step in steps:
            log.write(step, {"train/loss": 1 / step, "val/auroc_macro": 0.5}, epoch=step / 4)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "metrics.csv"
    with MetricsLog(path) as log:
        log.write(3, {"train/loss": 0.1 + 0.2, "val/a, b": math.nan})
        assert read_metrics(path)[0].value == 0.1 + 0.2  # on disk before the log is closed, to the last bit
    first, second = read_metrics(path)
    assert first[:1] == (3,) and first.metric == "train/loss" and math.isnan(first.epoch)
    assert second.metric == "val/a, b" and math.isnan(second.value)
    assert path.read_text().splitlines()[0] == "step,epoch,metric,value"


def test_continues_a_log(tmp_path):
    path = tmp_path / "metrics.csv"
    written(path, [1, 2])
    written(path, [3])
    assert [record.step for record in read_metrics(path)] == [1, 1, 2, 2, 3, 3]


def test_truncated_and_written_again_equals_never_interrupted(tmp_path):
    whole, resumed = tmp_path / "whole.csv", tmp_path / "resumed.csv"
    written(whole, range(1, 9))
    written(resumed, range(1, 7))
    with MetricsLog(resumed) as log:
        log.truncate_after(4)
        assert max(record.step for record in read_metrics(resumed)) == 4
        for step in range(5, 9):
            log.write(step, {"train/loss": 1 / step, "val/auroc_macro": 0.5}, epoch=step / 4)
    assert resumed.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("cut", [3, 30, 60])
def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path, cut):
    path = tmp_path / "metrics.csv"
    written(path, [1, 2, 3])
    path.write_bytes(path.read_bytes()[:cut])
    kept = read_metrics(path) if cut > 25 else []
    written(path, [9])
    records = read_metrics(path)
    assert records[: len(kept)] == kept
    assert [record.step for record in records[len(kept) :]] == [9, 9]


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "metrics.csv"
    written(path, [1])
    path.write_text(path.read_text() + "two,0.5,loss,1\n")
    with pytest.raises(DataError, match=r"metrics\.csv:4: .*two"):
        read_metrics(path)
    with pytest.raises(DataError, match="does not exist"):
        read_metrics(tmp_path / "none.csv")


def test_tensorboard_beside_it(tmp_path):
    with MetricsLog(tmp_path / "metrics.csv", tensorboard=tmp_path / "board") as log:
        for step in (1, 2, 3):
            log.write(step, {"train/loss": float(step)})
        log.truncate_after(1)
        log.write(2, {"train/loss": 20.0})
        assert log.notes == []
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "board"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 1.0), (2, 20.0)]


def test_without_tensorboard_the_csv_goes_on_and_a_note_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with MetricsLog(tmp_path / "metrics.csv", tensorboard=tmp_path / "board") as log:
        log.write(1, {"train/loss": 1.0})
    assert log.notes == ["no TensorBoard log: the package 'tensorboard' is not installed"]
    assert read_metrics(tmp_path / "metrics.csv")[0] == pytest.approx(
        Record(1, math.nan, "train/loss", 1.0), nan_ok=True
    )
    assert not (tmp_path / "board").exists()

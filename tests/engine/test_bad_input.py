"""What a user can get wrong, or a machine do to them: a sentence that says what to do, and nothing lost."""

import csv
import errno
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from medvl.engine import checkpoint as checkpoints
from medvl.errors import CheckpointError, DataError, MedvlError, TrainingDiverged, WeightsError
from medvl.lock import FolderInUse, hold
from tests import small


@pytest.fixture
def own_data(tmp_path):
    """A table of 30 own radiographs, and the experiment that reads it."""
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(0)
    rows = [["path", "patient", "edema", "note"]]
    for number in range(30):
        Image.fromarray(random.integers(0, 255, (40, 36), dtype=np.uint8)).save(folder / f"{number}.png")
        rows.append([f"{number}.png", f"p{number // 2}", str(number % 2), f"shortness of breath, day {number}"])
    data = {
        "name": "folder", "path": "data/index.csv", "image_column": "path", "patient_column": "patient",
        "label_columns": ["edema"], "text_columns": ["note"], "text": "note",
    }  # fmt: skip
    stage = small.PLAIN_STAGE | {"data": data, "budget": {"steps": 2, "batch_size": 4}, "stop": None}
    path = small.write(tmp_path, small.experiment(only=stage))

    def make(change=None):
        changed = [row.copy() for row in rows]
        if change is not None:
            change(changed)
        with (folder / "index.csv").open("w", newline="") as file:
            csv.writer(file).writerows(changed)
        return path

    make.folder = folder
    return make


def test_own_data_runs(own_data):
    assert small.run(own_data())["only"].tables


def test_a_missing_index(own_data):
    path = own_data()
    (own_data.folder / "index.csv").unlink()
    with pytest.raises(DataError, match=r"index\.csv"):
        small.run(path)


def test_a_missing_image_is_found_before_anything_is_decoded(own_data):
    path = own_data()
    (own_data.folder / "7.png").unlink()
    with pytest.raises(DataError, match=r"1 of 30 image files are missing.*max_bad") as error:
        small.run(path)
    assert "7.png" in str(error.value) and "check the folder" in str(error.value)


def test_an_unreadable_image_by_policy(own_data, tmp_path):
    path = own_data()
    (own_data.folder / "7.png").write_bytes(b"no picture at all")
    with pytest.raises(DataError, match=r"1 of 30 images cannot be read.*max_bad=0\.01"):
        small.run(path)
    outcome = small.run(path, "only.data.max_bad=0.1")["only"]
    (note,) = [note for note in outcome.notes if "cannot be read" in note]
    assert note.startswith("1 of 30 images cannot be read and are left out; why: ")
    listed = list(csv.DictReader(Path(note.partition("why: ")[2]).read_text().splitlines()))
    assert [row["reference"].endswith("7.png") for row in listed] == [True] and listed[0]["reason"]
    assert note in json.loads((outcome.folder / "manifest.json").read_text())["notes"]


def empty_notes(count):
    def change(rows):
        for row in rows[1 : count + 1]:
            row[3] = ""

    return change


def test_all_text_empty(own_data):
    with pytest.raises(DataError, match=r"text 'note' is empty in all 30 rows\. do: choose another section"):
        small.run(own_data(empty_notes(30)))


def test_some_text_empty_is_told(own_data):
    outcome = small.run(own_data(empty_notes(29)), "only.data.splits={train: 0.8, val: 0.1, test: 0.1}")["only"]
    assert any("training cases have no text in this section; they are read as empty text" in n for n in outcome.notes)
    assert outcome.tables


def test_a_label_that_is_no_number(own_data):
    def change(rows):
        rows[5][2] = "mild"

    with pytest.raises(
        DataError, match=r"index\.csv: line 6, column 'edema': 'mild' is not a label\. allowed: 1, 0, -1"
    ):
        small.run(own_data(change))


def fill_disk(monkeypatch, *, after):
    """Let the disk be full from that checkpoint on, in the middle of writing it."""
    original, saved = torch.save, []

    class Half:
        def __init__(self, file):
            self.file = file

        def write(self, content):
            self.file.write(bytes(content)[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def flush(self):
            self.file.flush()

    def save(state, file):
        saved.append(1)
        original(state, Half(file) if len(saved) > after else file)

    monkeypatch.setattr(torch, "save", save)


def test_a_disk_that_fills_up_during_a_checkpoint(finished, tmp_path, monkeypatch):
    path = small.write(tmp_path)
    with monkeypatch.context() as patch:
        fill_disk(patch, after=3)
        with pytest.raises(CheckpointError, match="No space left on device") as error:
            small.run(path, "pretrain.budget.checkpoint_seconds=0")
    assert "the one before it is good: free some space and run the same command again" in str(error.value)
    folder = tmp_path / "runs" / "small" / finished.pretrain.name
    assert small.checkpoint(folder)["progress"]["step"] == 3
    assert not list(folder.glob(".*.tmp")) and not (folder / "next.ckpt").exists()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "failed"
    for stage, outcome in small.run(path).items():
        assert small.differences(getattr(finished, stage), outcome.folder) == []


def test_a_disk_that_is_full_for_everything_else(tmp_path, monkeypatch):
    from medvl.engine import stage

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "exports/image.safetensors")

    monkeypatch.setattr(stage, "save_exports", full)
    with pytest.raises(MedvlError, match=r"exports/image\.safetensors: no space is left\. free some and run the same"):
        small.run(small.write(tmp_path))


@pytest.fixture
def stopped(tmp_path, monkeypatch, finished):
    """A pre-training stopped after step 3 of 5, with two checkpoints: (yaml, stage folder)."""
    path = small.write(tmp_path)
    with monkeypatch.context() as patch:
        fill_disk(patch, after=3)
        with pytest.raises(CheckpointError):
            small.run(path, "pretrain.budget.checkpoint_seconds=0")
    return path, tmp_path / "runs" / "small" / finished.pretrain.name


def spoil(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_a_damaged_checkpoint_falls_back_on_the_one_before(stopped, finished, capsys):
    path, folder = stopped
    spoil(folder / "last.ckpt")
    outcomes = small.run(path)
    told = capsys.readouterr().out
    assert "last.ckpt: damaged" in told and "going on from previous.ckpt instead" in told
    assert any("going on from previous.ckpt" in n for n in json.loads((folder / "manifest.json").read_text())["notes"])
    assert small.differences(finished.pretrain, outcomes["pretrain"].folder) == []


def test_the_last_good_checkpoint_outlives_the_next_save(stopped):
    """A damaged last.ckpt is renamed to previous.ckpt only when a whole one is there to take its place."""
    _, folder = stopped
    state = small.checkpoint(folder, "previous.ckpt")
    spoil(folder / "last.ckpt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints.os, "replace", lambda *_: pytest.fail("killed here"))
        with pytest.raises(pytest.fail.Exception):
            checkpoints.save_checkpoint(folder, state)
    loaded, _ = checkpoints.load_checkpoint(folder)
    assert small.same(loaded, state)


def test_all_checkpoints_damaged(stopped):
    path, folder = stopped
    for name in ("last.ckpt", "previous.ckpt"):
        spoil(folder / name)
    with pytest.raises(
        CheckpointError, match=r"no other checkpoint is left\. to train this stage afresh, delete"
    ) as error:
        small.run(path)
    assert "last.ckpt: damaged" in str(error.value) and "previous.ckpt: damaged" in str(error.value)


class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_checkpoint_that_would_run_code_is_refused(stopped, tmp_path):
    path, folder = stopped
    torch.save({"trainable": Harm(tmp_path / "harm")}, folder / "last.ckpt")
    (folder / "previous.ckpt").write_bytes(pickle.dumps(Harm(tmp_path / "harm")))
    with pytest.raises(CheckpointError, match=r"last\.ckpt: refused: it is a pickle that would run code"):
        small.run(path)
    assert not (tmp_path / "harm").exists()


def test_a_torch_file_of_something_else_is_no_checkpoint(stopped):
    path, folder = stopped
    torch.save({"weights": torch.zeros(1)}, folder / "last.ckpt")
    torch.save([1, 2], folder / "previous.ckpt")
    with pytest.raises(CheckpointError, match=r"last\.ckpt: is not a checkpoint of medvl"):
        small.run(path)


def test_first_weights_that_would_run_code_are_refused(tmp_path):
    torch.save({"state_dict": Harm(tmp_path / "harm")}, tmp_path / "image.pt")
    path = small.write(tmp_path, small.experiment(finetune=small.FINETUNE))
    with pytest.raises(WeightsError, match="refused: it is a pickle that holds more than tensors"):
        small.run(path, f"finetune.model.image.init={tmp_path / 'image.pt'}")
    assert not (tmp_path / "harm").exists()


def test_two_runs_of_one_stage(finished, tmp_path):
    path = small.write(tmp_path)
    told = pytest.raises(FolderInUse, match=rf"is being written by another run \(process {os.getpid()}\)")
    with hold(tmp_path / "runs" / "small" / finished.pretrain.name, wait=False), told:
        small.run(path)
    assert small.run(path)["finetune"].tables
    with hold(finished.pretrain, wait=False), hold(finished.finetune, wait=False):
        assert small.run(finished.file)["finetune"].reused  # what is finished is only read


def test_training_that_diverges(tmp_path):
    path = small.write(tmp_path)
    steps = ["pretrain.budget.steps=40", "pretrain.optim.schedule=constant", "pretrain.budget.checkpoint_seconds=0"]
    with pytest.raises(
        TrainingDiverged, match=r"is no longer finite\. lower optim\.lr, or set budget\.clip_norm"
    ) as error:
        small.run(path, *steps, "pretrain.optim.lr=1e38")
    (folder,) = tmp_path.glob("runs/small/pretrain-*")
    assert str(folder) in str(error.value)
    for name in ("last.ckpt", "previous.ckpt"):
        if (folder / name).exists():
            weights = small.checkpoint(folder, name)["trainable"].values()
            assert all(value.isfinite().all() for value in weights if value.is_floating_point())


def test_exports_of_a_stage_that_were_deleted(finished, tmp_path):
    path = small.write(tmp_path)
    folder = small.run(path)["pretrain"].folder
    assert load_file(folder / "exports/image.safetensors")
    (folder / "exports/image.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"image\.safetensors does not exist"):
        small.run(path, "finetune.optim.lr=1e-4")

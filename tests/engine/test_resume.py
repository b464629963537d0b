"""A run that is killed or stopped at any moment ends as one that never was: the same bits."""

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medvl.engine.interrupt import Interrupted
from tests import small

EVERY_STEP = [f"{stage}.budget.checkpoint_seconds=0" for stage in ("pretrain", "finetune")]


def found(*patterns):
    """Whether something of that name is there, below the runs or the cache."""
    return lambda root: any(next(root.glob(pattern), None) for pattern in patterns)


MOMENTS = {
    "before anything": lambda root: True,
    "the images are decoded": found("cache/images/*"),
    "the first checkpoint is written": found("runs/small/pretrain-*/.next.ckpt*"),
    "a step after it": found("runs/small/pretrain-*/previous.ckpt"),
    "one stage ends": found("runs/small/pretrain-*/exports"),
    "the next begins": found("runs/small/finetune-*"),
    "a tokenizer is written": found("runs/small/finetune-*/*tokenizer*"),
    "the best weights are written": found("runs/small/finetune-*/*best.ckpt*"),
    "it validates": found("runs/small/finetune-*/last.ckpt"),
    "predictions are written": found("runs/small/finetune-*/predictions"),
    "it exports": found("runs/small/finetune-*/exports"),
}


def kill_when(process, moment, root):
    """SIGKILL within a few milliseconds of a moment."""
    while process.is_alive() and not moment(root):
        time.sleep(0.001)
    time.sleep(random.random() * 0.02)
    process.kill()
    process.join()
    return process.exitcode


def test_killed_at_many_moments(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    path = small.write(tmp_path)
    codes = {name: kill_when(small.start(path, *EVERY_STEP), moment, tmp_path) for name, moment in MOMENTS.items()}
    assert set(codes.values()) == {-signal.SIGKILL}, codes
    last = small.start(path, *EVERY_STEP)
    last.join()
    assert last.exitcode == 0, (tmp_path / "log.txt").read_text()
    for stage in (finished.pretrain, finished.finetune):
        assert small.differences(stage, tmp_path / "runs" / "small" / stage.name) == []
    assert not list(tmp_path.rglob("runs/**/.*.tmp"))


def test_ctrl_c_saves_and_the_command_it_prints_goes_on(tmp_path, cache):
    steps = ["pretrain.budget.steps=60", "finetune.budget.steps=2"]
    whole = tmp_path / "whole"
    whole.mkdir()
    reference = small.run(small.write(whole), *steps)
    asked = tmp_path / "a folder with spaces"
    asked.mkdir()
    path = small.write(asked)
    command = [sys.executable, "-m", "medvl", "run", str(path), *steps, "pretrain.budget.checkpoint_seconds=0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(asked.glob("runs/small/pretrain-*/last.ckpt")):
        time.sleep(0.01)
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130 and "Traceback" not in errors
    stopped = errors[errors.index("stopped;") :]
    assert stopped.startswith("stopped; everything is saved. to go on: ")
    (folder,) = asked.glob("runs/small/pretrain-*")
    assert 0 < small.checkpoint(folder)["progress"]["step"] < 60

    printed = stopped.partition("to go on: ")[2].strip()
    assert shlex.split(printed) == command
    subprocess.run(printed, shell=True, check=True, capture_output=True)
    for outcome in reference.values():
        assert small.differences(outcome.folder, asked / "runs" / "small" / outcome.folder.name) == []


def interrupt_at(monkeypatch, owner, name, call):
    """Ctrl-C while `owner.name` is called for that time; later calls are left alone."""
    original, calls = getattr(owner, name), []

    def wrapped(*arguments, **settings):
        calls.append(name)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments, **settings)

    monkeypatch.setattr(owner, name, wrapped)


@pytest.mark.parametrize(
    ("moment", "call"), [("decoding", 1), ("training", 7), ("validating", 2), ("evaluating", 4), ("between", 1)]
)
def test_ctrl_c_while(finished, tmp_path, monkeypatch, moment, call):
    """Each moment stops soon, in order, and nothing is lost."""
    import medvl.engine.run
    from medvl.datasets.phantom.dataset import Phantom
    from medvl.engine.trainable import Trainable

    owner, name = {
        "decoding": (Phantom, "read_images"),
        "training": (Trainable, "forward"),
        "validating": (Trainable, "predict"),
        "evaluating": (Trainable, "predict"),
        "between": (medvl.engine.run, "run_stage"),
    }[moment]
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    path = small.write(tmp_path)
    interrupt_at(monkeypatch, owner, name, call)
    with pytest.raises(Interrupted):
        small.run(path)
    assert not list(tmp_path.glob("runs/small/finetune-*/results.json"))
    outcomes = small.run(path)
    for stage, outcome in outcomes.items():
        assert small.differences(getattr(finished, stage), outcome.folder) == []


def test_steps_that_no_checkpoint_holds_are_forgotten(finished, tmp_path, monkeypatch):
    """Killed before the first checkpoint, a run leaves lines in metrics.csv that the next one writes again."""
    path = small.write(tmp_path)
    folder = tmp_path / "runs" / "small" / finished.pretrain.name
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text("step,epoch,metric,value\n3,0.5,train/loss,9.0\n4,0.")
    outcomes = small.run(path)
    assert (outcomes["pretrain"].folder / "metrics.csv").read_text() == (finished.pretrain / "metrics.csv").read_text()


def test_best_weights_follow_the_checkpoint(finished, tmp_path):
    """Killed between a checkpoint and the best weights that it names, the next run writes those."""
    from medvl.engine.checkpoint import read_checkpoint

    path = small.write(tmp_path)
    outcomes = small.run(path)
    folder: Path = outcomes["finetune"].folder
    assert small.checkpoint(folder)["progress"]["best_step"] == 6, "the test wants the last step to be the best"
    (folder / "best.ckpt").unlink()
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text().replace('"complete"', '"running"'))
    small.run(path)
    assert read_checkpoint(folder / "best.ckpt")["step"] == 6
    assert small.differences(finished.finetune, folder) == []

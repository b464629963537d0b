"""Two processes on one machine, over gloo: the same gradients as one, and one of them writes."""

import json
import subprocess
import sys

import pyarrow.parquet as pq
from safetensors.torch import load_file

from medvl.runs.metrics_log import read_metrics
from tests import small


def finish(processes, root):
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0], (root / "log.txt").read_text()


def test_gradients_of_two_processes_are_those_of_one(tmp_path):
    """One step at a rate of 1 without momentum: weights differ by as much as gradients do."""
    optim = {"name": "sgd", "lr": 1.0, "momentum": 0.0}
    stage = small.PLAIN_STAGE | {"stop": None, "evaluate": [], "optim": optim, "budget": {"steps": 1, "batch_size": 8}}
    exports = {}
    for name, overrides in {"still": ["only.optim.lr=0"], "one": [], "two": ["only.budget.accumulate=2"]}.items():
        folder = tmp_path / name
        folder.mkdir()
        path = small.write(folder, small.experiment(only=stage))
        if name == "two":
            finish(small.start_two(path, *overrides), folder)
        else:
            small.run(path, *overrides)
        found = sorted(folder.glob("runs/small/only-*/exports/*.safetensors"))
        exports[name] = {f"{file.stem}.{key}": value for file in found for key, value in load_file(file).items()}
    assert exports["one"].keys() == exports["two"].keys() == exports["still"].keys()

    def difference(other):
        return max(float((exports["one"][key] - exports[other][key]).abs().max()) for key in exports["one"])

    assert difference("still") > 0.01
    assert difference("two") < 1e-5


def test_two_processes_encode_each_case_once(tmp_path, cache):
    """Each its share, into one cache, from which both feed themselves."""
    image = {"name": "timm", "model": "test_resnet", "weights": "none", "frozen": True}
    view = {"image": {"name": "plain", "size": 32, "mean": 0.43}}  # of no other test: its features are not there yet
    path = small.write(tmp_path, small.experiment(only=small.FINETUNE | {"model": {"image": image}, "views": view}))
    finish(small.start_two(path), tmp_path)
    (folder,) = tmp_path.glob("runs/small/only-*")
    splits = json.loads((folder / "manifest.json").read_text())["splits"]
    key = max((cache / "features").iterdir(), key=lambda made: made.stat().st_mtime)
    parts = [json.loads(record.read_text())["rows"] for record in key.glob("*.json")]
    assert len(parts) == 2 and sum(parts) == splits["learning"] + splits["val"] + splits["test"]


def test_a_whole_run_in_which_one_process_writes(tmp_path, cache):
    path = small.write(tmp_path)
    command = [sys.executable, "-m", "medvl", "run", str(path), "devices=2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finetune: multilabel on test") == 1
    assert done.stdout.count("where everything lies") == 1
    assert done.stderr.count("pretrain: done: 5/5 steps") == 1
    folders = {path.name.partition("-")[0]: path for path in tmp_path.glob("runs/small/*")}
    for folder in folders.values():
        records = [(record.step, record.metric) for record in read_metrics(folder / "metrics.csv")]
        assert records and len(records) == len(set(records))
        assert len(list((folder / "tensorboard").iterdir())) == 1
        assert len(small.checkpoint(folder)["random"]) == 2
    counts = json.loads((folders["finetune"] / "manifest.json").read_text())["splits"]
    rows = pq.read_table(folders["finetune"] / "predictions/test.parquet")["row"].to_pylist()
    assert len(set(rows)) == len(rows) == counts["test"]


def test_two_processes_that_are_killed_end_with_the_same_bits(tmp_path, cache):
    """Running statistics too, of which each process has its own: those that count are the first one's."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
        small.write(folder)
    finish(small.start_two(whole / "small.yaml"), whole)
    processes = small.start_two(killed / "small.yaml")
    while not list(killed.glob("runs/small/finetune-*/best.ckpt")):
        assert all(process.is_alive() for process in processes), (killed / "log.txt").read_text()
    for process in processes:
        process.kill()
        process.join()
    (folder,) = killed.glob("runs/small/finetune-*")
    assert small.checkpoint(folder)["progress"]["step"] < 6
    finish(small.start_two(killed / "small.yaml"), killed)
    for folder in whole.glob("runs/small/*"):
        assert small.differences(folder, killed / "runs" / "small" / folder.name) == []

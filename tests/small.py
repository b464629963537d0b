"""A two-stage experiment that takes a second, and ways to run it: here, and in a process that can be killed."""

from __future__ import annotations

import copy
import multiprocessing
import os
import socket
import sys
from pathlib import Path

import torch
import yaml

PATIENTS = 30
PHANTOM = {"name": "phantom", "patients": PATIENTS, "resolution": 64}

PRETRAIN = {
    "data": PHANTOM | {"labels": "none"},
    "views": {"query": {"name": "cxr_moco", "size": 32}, "key": {"name": "cxr_moco", "size": 32}},
    "model": {"image": {"name": "timm", "model": "test_resnet", "weights": "none"}},
    "objective": {"name": "moco", "queue_size": 20, "momentum": 0.9, "dim": 16},
    "optim": {"name": "sgd", "lr": 0.03, "schedule": "cosine"},
    "budget": {"steps": 5, "batch_size": 8},
}
FINETUNE = {
    "data": PHANTOM | {"text": "indication"},
    "views": {"image": {"name": "cxr_finetune", "size": 32}},
    "model": {
        "image": {"name": "timm", "model": "test_resnet", "init": "pretrain.image"},
        "text": {"name": "bert", "weights": "none", "layers": 1, "width": 32},
        "fusion": {"name": "mmbt"},
    },
    "objective": {"name": "multilabel"},
    "optim": {"name": "adamw", "lr": 0.001},
    "budget": {"steps": 6, "batch_size": 8, "validate_every": 2},
    "stop": {"metric": "val/loss"},
    "evaluate": [{"name": "multilabel", "split": "test", "replicates": 20}],
}
EXPERIMENT = {
    "medvl": 1,
    "name": "small",
    "device": "cpu",
    "plugins": ["moco_cxr", "mmbt"],
    "stages": {"pretrain": PRETRAIN, "finetune": FINETUNE},
}
# one stage without batch statistics and without dropout: any way to share a step out gives the same gradients
PLAIN_STAGE = FINETUNE | {
    "model": {
        "image": {"name": "timm", "model": "test_vit"},
        "text": {"name": "bert", "weights": "none", "layers": 1, "width": 32, "dropout": 0.0},
        "fusion": {"name": "mmbt"},
    },
}


def experiment(**stages: dict) -> dict:
    """The experiment above, or one of these stages alone."""
    return copy.deepcopy(EXPERIMENT | ({"stages": stages} if stages else {}))


def write(folder: Path, values: dict | None = None) -> Path:
    """The YAML of an experiment; runs go to `folder/runs`."""
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump((values or experiment()) | {"runs": str(folder / "runs")}, sort_keys=False))
    return path


def run(path: Path, *overrides: str, plugin_files: tuple[str, ...] = ()) -> dict:
    """Run it in this process: stage -> outcome."""
    from medvl.cli.options import load_experiment
    from medvl.engine.run import run_experiment

    loaded, _ = load_experiment(path, overrides, plugin_files)
    return {outcome.stage: outcome for outcome in run_experiment(loaded, {})}


def checkpoint(folder: Path, name: str = "last.ckpt") -> dict:
    return torch.load(folder / name, weights_only=True)


def differences(one: Path, other: Path) -> list[str]:
    """What two runs of a stage left that differs, of all that a seed decides."""
    found = [
        f"{name}: {key}"
        for name in ("last.ckpt", "best.ckpt")
        if (one / name).exists() or (other / name).exists()
        for key, value in checkpoint(one, name).items()
        if not same(value, checkpoint(other, name)[key])
    ]
    exports = sorted(path.name for path in (one / "exports").iterdir())
    files = ["metrics.csv", "results.json", "predictions/test.parquet", *(f"exports/{name}" for name in exports)]
    return found + [name for name in files if _content(one / name) != _content(other / name)]


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def same(one: object, other: object) -> bool:
    """Bit for bit, whatever the nesting."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def start(path: Path, *overrides: str, variables: dict[str, str] | None = None) -> multiprocessing.Process:
    """`medvl run` in a process of its own, from a server that has imported everything; output goes to log.txt."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.small_process"])
    given = {"MEDVL_CACHE": os.environ["MEDVL_CACHE"]} | (variables or {})  # the server's own are of its start
    process = context.Process(target=_medvl_run, args=(path, overrides, given))
    process.start()
    return process


def start_two(path: Path, *overrides: str) -> list[multiprocessing.Process]:
    """The same, as two processes that train together, as a cluster's scheduler would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    ranks = [shared | {"LOCAL_RANK": str(rank), "NODE_RANK": "0"} for rank in range(2)]
    return [start(path, "devices=2", *overrides, variables=variables) for variables in ranks]


def _medvl_run(path: Path, overrides: tuple[str, ...], variables: dict[str, str]) -> None:
    from medvl.cli.main import main

    os.environ |= variables
    log = os.open(path.parent / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["medvl", "run", str(path), *overrides]
    main(sys.argv[1:])

"""A table of a few cells that take a second each, and an engine that runs them in this very process."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

from medvl.config.matrix import read_matrix
from medvl.config.resolve import overridden_tree
from medvl.tables.job import Job, Report, run_job
from medvl.tables.plan import TablePlan, plan_table
from medvl.tables.planner import Planner

BASE = """\
medvl: 1
name: base
device: cpu
plugins: [moco_cxr]
stages:
  pretrain:
    data: {name: phantom, patients: 30, resolution: 64, labels: none}
    views: {query: {name: plain, size: 32}, key: {name: plain, size: 32}}
    model: {image: {name: timm, model: test_resnet, weights: none}}
    objective: {name: moco, queue_size: 16, dim: 16}
    optim: {name: sgd, lr: 0.03}
    budget: {steps: 2, batch_size: 8}
  probe:
    data: {name: phantom, patients: 30, resolution: 64}
    views: {image: {name: plain, size: 32}}
    model:
      image: {name: timm, model: test_resnet, weights: none, init: pretrain.image}
      fusion: {name: image_only}
    objective: {name: multilabel}
    optim: {name: adamw, lr: 0.001}
    budget: {steps: 2, batch_size: 8}
    evaluate: [{name: multilabel, split: test, replicates: 20}]
"""
TABLE = """\
extends: base.yaml
name: small
matrix:
  method:
    random: {pretrain: null, probe.image.init: null}
    moco: {}
  labels:
    1 %: {probe.data.fraction: 0.5}
    all: {}
  seed:
    0: {probe.optim.lr: 0.001}
    1: {probe.optim.lr: 0.002}
exclude: [{method: random, labels: 1 %}]
table:
  metric: probe/auroc_macro
  rows: method
  columns: labels
  over: seed
  paper: {source: "Nobody 2020, table 1", scale: 0.01, values: {moco: {all: 51}, random: {all: 99.9}}}
"""


def write(folder: Path, *changes: tuple[str, str], base: str = BASE, table: str = TABLE) -> Path:
    """The table's file, with pieces of its text replaced; runs go to `folder/runs`."""
    for old, new in changes:
        assert table.count(old) == 1, old
        table = table.replace(old, new)
    (folder / "base.yaml").write_text(f"{base}runs: {folder / 'runs'}\n")
    path = folder / "table.yaml"
    path.write_text(table)
    return path


def plan(path: Path, *overrides: str, smoke: bool = False) -> TablePlan:
    """The checked table."""
    planner, tree = Planner(), overridden_tree(path, overrides)
    return plan_table(read_matrix(tree, planner.plugins(tree)), planner, smoke)


class InlineEngine:
    """Runs each job at once, and remembers which."""

    slots = 1

    def __init__(self) -> None:
        self.jobs: list[str] = []

    def submit(self, job: Job) -> Future[Report]:
        self.jobs.append(job.folder.name)
        future: Future[Report] = Future()
        future.set_result(run_job(job))
        return future

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass

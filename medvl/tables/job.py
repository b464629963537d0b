"""One stage of a table, run by some process: what it is sent, what it does, what it answers."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from medvl.config.source import Tree
from medvl.engine.context import StageContext
from medvl.engine.hardware import make_fabric, settle
from medvl.engine.interrupt import Interrupted, InterruptGuard
from medvl.engine.run import full_disk_told, run_or_reuse
from medvl.errors import MedvlError
from medvl.files import write_text_atomic
from medvl.lock import FolderInUse
from medvl.runs.folder import ERROR, LOG
from medvl.tables.planner import Planner

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LOOK = 1.0  # seconds between looks at a folder that another run holds


@dataclass(frozen=True)
class Job:
    """A stage to run: everything in it can be sent to another process or machine.

    Attributes:
        hash: of the stage.
        stage: its name.
        folder: where it leaves what it leaves.
        tree: of an experiment that has it.
        plugin_files: one-file plugins of the command line.
        device: `cpu` or `cuda`, to be asked of a cluster.
    """

    hash: str
    stage: str
    folder: Path
    tree: Tree
    plugin_files: tuple[str, ...]
    device: str


@dataclass(frozen=True)
class Report:
    """How a job ended; `message` says why it failed."""

    status: Literal["complete", "failed", "interrupted"]
    message: str = ""


def run_job(job: Job) -> Report:
    """Run a stage, in any process; what it prints goes into its folder.

    Plans, datasets and imports stay for the next job of this process. An error is kept in the stage's folder and
    answered, not raised: the table goes on.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / ERROR).unlink(missing_ok=True)
    try:
        with _printing_into(job.folder / LOG), InterruptGuard() as guard, full_disk_told():
            _run(job, guard)
    except (Interrupted, KeyboardInterrupt):
        return Report("interrupted")
    except MedvlError as error:
        return fail(job.folder, str(error))
    except Exception as error:
        return fail(job.folder, f"{type(error).__name__}: {error}", traceback.format_exc())
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return Report("complete")


def fail(folder: Path, message: str, trace: str = "") -> Report:
    """Keep why a stage failed in its folder."""
    write_text_atomic(folder / ERROR, f"{message}\n{trace and chr(10)}{trace}")
    return Report("failed", message)


def _run(job: Job, guard: InterruptGuard) -> None:
    planner = _planner(job.plugin_files)
    experiment = planner.experiment(job.tree)
    plans = planner.check(experiment)
    at = planner.locate(experiment, plans)[job.stage]
    if at.hash != job.hash:
        raise MedvlError(
            f"stage '{job.stage}' is {at.hash} where it runs and {job.hash} where the table was planned: code, data "
            "or precision differ. do: run both on machines that are alike"
        )
    plan = plans[job.stage]
    fabric = _fabric(*settle(experiment.device, experiment.precision))
    context = StageContext(experiment, plan, fabric, at.hash, at.folder, at.parents, guard, pictures=False)
    dataset, versions = planner.dataset(plan.stage)[0], planner.plugins(job.tree).versions()
    while True:
        try:
            run_or_reuse(context, dataset, versions)
            return
        except FolderInUse:  # another table, or what a killed one left running: then there will be nothing to do
            guard.check()
            time.sleep(LOOK)


@cache
def _planner(plugin_files: tuple[str, ...]) -> Planner:
    return Planner(plugin_files)


@cache
def _fabric(device: str, precision: str) -> Fabric:
    fabric = make_fabric(device, 1, precision)
    fabric.launch()
    return fabric


@contextmanager
def _printing_into(path: Path) -> Iterator[None]:
    with open(path, "a", encoding="utf-8", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        yield

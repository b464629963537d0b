"""All stages of an experiment, in order."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from medvl.config.experiment import Experiment
from medvl.data.dataset import Dataset
from medvl.engine.assemble import build_dataset
from medvl.engine.check import check_experiment
from medvl.engine.context import StageContext
from medvl.engine.hardware import make_fabric, settle
from medvl.engine.interrupt import InterruptGuard
from medvl.engine.located import Located, locate
from medvl.engine.outcome import Outcome, finished_outcome
from medvl.engine.stage import run_stage
from medvl.errors import MedvlError
from medvl.lock import hold


def run_experiment(experiment: Experiment, plugins: dict[str, str]) -> Iterator[Outcome]:
    """Check everything, then run stage after stage; each outcome is given when its stage is done.

    With several processes all of them run this; the outcomes of all but the first hold no tables.

    Raises:
        ConfigError: anything wrong, before data is read.
        Interrupted: stopped on request, after a checkpoint.
        FolderInUse: another run is training one of the stages.
        MedvlError: bad data, weights, disk or learning rate.
    """
    plans = check_experiment(experiment)
    device, precision = settle(experiment.device, experiment.precision)
    fabric = make_fabric(device, experiment.devices, precision)
    fabric.launch()
    done: dict[str, Located] = {}
    with InterruptGuard() as guard, full_disk_told():
        for name, plan in plans.items():
            guard.check()
            dataset = build_dataset(plan.stage)
            done[name] = at = locate(experiment, plan.stage, dataset.fingerprint(), done, precision)
            context = StageContext(experiment, plan, fabric, at.hash, at.folder, at.parents, guard)
            yield run_or_reuse(context, dataset, plugins)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def run_or_reuse(context: StageContext, dataset: Dataset, plugins: dict[str, str]) -> Outcome:
    """A stage's outcome: what an earlier run finished, or else its own run, holding its folder.

    Raises:
        Interrupted: stopped on request, after a checkpoint.
        FolderInUse: another run is training this stage.
        MedvlError: bad data, weights, disk or learning rate.
    """
    outcome = finished_outcome(context.plan, context.folder)  # read before the lock: many runs may share it
    if outcome is None:
        with hold(context.folder, wait=False) if context.leads else nullcontext():
            outcome = run_stage(context, dataset, plugins)
    return outcome


@contextmanager
def full_disk_told() -> Iterator[None]:
    """A disk that fills up is something the user can mend, wherever it happens."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise MedvlError(
            f"{error.filename or 'the disk'}: no space is left. free some and run the same command again: "
            "it goes on from the last checkpoint, which is whole"
        ) from error

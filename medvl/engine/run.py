"""All stages of an experiment, in order."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from medvl.config.experiment import Experiment
from medvl.engine.assemble import build_dataset
from medvl.engine.check import check_experiment
from medvl.engine.context import StageContext
from medvl.engine.hardware import make_fabric, settle
from medvl.engine.identity import stage_hash
from medvl.engine.interrupt import InterruptGuard
from medvl.engine.outcome import Outcome, finished_outcome
from medvl.engine.stage import run_stage
from medvl.engine.start import parents_of
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
    done: dict[str, StageContext] = {}
    with InterruptGuard() as guard, _full_disk_told():
        for name, plan in plans.items():
            guard.check()
            parents = [parent for parent in parents_of(plan.stage) if parent in done]
            dataset = build_dataset(plan.stage)
            ancestry = {parent: done[parent].hash for parent in parents}
            digest = stage_hash(experiment, plan.stage, dataset.fingerprint(), ancestry, precision)
            folders = {parent: done[parent].folder for parent in parents}
            folder = experiment.runs / experiment.name / f"{name}-{digest}"
            done[name] = context = StageContext(experiment, plan, fabric, digest, folder, folders, guard)
            outcome = finished_outcome(plan, folder)  # read before the lock: many runs may share a finished stage
            if outcome is None:
                with hold(folder, wait=False) if fabric.is_global_zero else nullcontext():
                    outcome = run_stage(context, dataset, plugins)
            yield outcome
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


@contextmanager
def _full_disk_told() -> Iterator[None]:
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

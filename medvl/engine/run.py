"""All stages of an experiment, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from medvl.config.experiment import Experiment
from medvl.engine.assemble import build_dataset
from medvl.engine.check import check_experiment
from medvl.engine.hardware import make_fabric
from medvl.engine.identity import stage_hash
from medvl.engine.interrupt import InterruptGuard
from medvl.engine.stage import Outcome, StageRun
from medvl.engine.start import parents_of
from medvl.runs.lock import exclusive


def run_experiment(experiment: Experiment, plugins: dict[str, str]) -> Iterator[Outcome]:
    """Check everything, then run stage after stage; each outcome is given when its stage is done.

    Raises:
        ConfigError: anything wrong, before data is read.
        Interrupted: stopped on request, after a checkpoint.
    """
    plans = check_experiment(experiment)
    fabric = make_fabric(experiment.device, experiment.devices, experiment.precision)
    fabric.launch()
    folders: dict[str, Path] = {}
    hashes: dict[str, str] = {}
    with InterruptGuard() as guard:
        for name, plan in plans.items():
            parents = [parent for parent in parents_of(plan.stage) if parent in folders]
            dataset = build_dataset(plan.stage)
            fingerprint = dataset.fingerprint()
            hashes[name] = stage_hash(
                experiment,
                plan.stage,
                fingerprint,
                {parent: hashes[parent] for parent in parents},
                str(fabric._precision.precision),
            )
            folders[name] = experiment.runs / experiment.name / f"{name}-{hashes[name]}"
            stage = StageRun(
                experiment,
                plan,
                fabric,
                folders[name],
                hashes[name],
                {parent: folders[parent] for parent in parents},
                dataset,
                plugins,
            )
            if fabric.is_global_zero:
                with exclusive(folders[name]):
                    outcome = stage.run(guard)
            else:
                outcome = stage.run(guard)
            yield outcome
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

"""What runs a table's jobs: this machine, a SLURM cluster, or Ray."""

from __future__ import annotations

import importlib.util
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, Protocol

from medvl.errors import ConfigError, PackageMissing
from medvl.tables.job import Job, Report

EngineName = Literal["local", "slurm", "ray"]
PACKAGES = {"slurm": "submitit", "ray": "ray"}  # also the names of the extras


class Engine(Protocol):
    """Runs jobs in other processes.

    Attributes:
        slots: how many jobs it takes at once.
    """

    slots: int

    def submit(self, job: Job) -> Future[Report]:
        """Start a job. The future fails only where the process itself did."""

    def stop(self) -> None:
        """Ask all running jobs to save and end; their futures answer `interrupted`."""

    def close(self) -> None:
        """Let go of processes and connections."""


def make_engine(name: EngineName, folder: Path, *, device: str, jobs: int | None, settings: dict[str, Any]) -> Engine:
    """An engine.

    Args:
        name: which.
        folder: for what the engine itself writes.
        device: `cpu` or `cuda`: what each job needs one of.
        jobs: at once; None for as many as fit.
        settings: of the engine, e.g. `slurm_partition`, `timeout_min`; the local one has none.

    Raises:
        ConfigError: settings that the engine does not have.
        PackageMissing: the engine's package is not installed.
    """
    if name == "local":
        from medvl.tables.local import LocalEngine, default_jobs

        if settings:
            raise ConfigError(f"--engine-option {next(iter(settings))}: the local engine has no options but --jobs")
        return LocalEngine(jobs or default_jobs(device), device)
    if importlib.util.find_spec(PACKAGES[name]) is None:
        raise PackageMissing(
            f"--engine {name} needs the package '{PACKAGES[name]}', which is not installed. "
            f"do: pip install 'medvl[{name}]'"
        )
    if name == "slurm":
        from medvl.tables.slurm import SlurmEngine

        return SlurmEngine(folder / "slurm", device=device, jobs=jobs, settings=settings)
    from medvl.tables.on_ray import RayEngine

    return RayEngine(device=device, jobs=jobs, settings=settings)

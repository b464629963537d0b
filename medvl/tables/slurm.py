"""Jobs through a SLURM scheduler, by submitit."""

from __future__ import annotations

import contextlib
import shutil
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from medvl.errors import ConfigError, MedvlError
from medvl.tables.job import Job, Report, run_job

DAY = 24 * 60  # minutes
LOOK = 1.0  # seconds between looks at the queue


class SlurmEngine:
    """Each stage a SLURM job of its own: a process that starts afresh, so it suits stages of minutes and more.

    Args:
        folder: for submitit's scripts and logs; all machines must share it.
        device: `cpu` or `cuda`: a job on CUDA asks for one GPU.
        jobs: in the queue at once; None for all that are ready.
        settings: of submitit's executor, e.g. `slurm_partition`, `timeout_min`, `cpus_per_task`, `mem_gb`.
        cluster: `slurm`, or submitit's `local` and `debug`, which run jobs on this machine.

    Raises:
        ConfigError: a setting that submitit does not know.
        MedvlError: this machine has no SLURM.
    """

    def __init__(
        self, folder: Path, *, device: str, jobs: int | None, settings: dict[str, Any], cluster: str = "slurm"
    ) -> None:
        import submitit

        if cluster == "slurm" and shutil.which("sbatch") is None:
            raise MedvlError(
                "--engine slurm: this machine has no 'sbatch'. do: start the table where jobs can be submitted, "
                "or take --engine local"
            )
        self._executor = submitit.AutoExecutor(folder, cluster=cluster)
        needs = {"name": "medvl", "timeout_min": DAY, "gpus_per_node": 1 if device == "cuda" else 0}
        try:
            self._executor.update_parameters(**(needs | settings))
        except (NameError, TypeError, AssertionError) as error:  # submitit's ways to say that it does not know one
            raise ConfigError(f"--engine-option: submitit refuses {', '.join(settings)}: {error}") from error
        self.slots = jobs or 10_000
        self._running: dict[Future[Report], Any] = {}
        self._closed = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def submit(self, job: Job) -> Future[Report]:
        """Put a job into the queue."""
        future: Future[Report] = Future()
        self._running[future] = self._executor.submit(run_job, job)
        return future

    def stop(self) -> None:
        """Cancel all jobs: SLURM sends them SIGTERM, upon which they save a checkpoint."""
        for future, job in list(self._running.items()):
            with contextlib.suppress(Exception):  # it may have ended in between
                job.cancel(check=False)
            self._settle(future, report=Report("interrupted"))

    def close(self) -> None:
        """Stop looking at the queue."""
        self._closed.set()
        self._watcher.join()

    def _watch(self) -> None:
        """Look for finished jobs, as SLURM tells nobody."""
        while not self._closed.wait(LOOK):
            for future, job in list(self._running.items()):
                if not job.done():
                    continue
                try:
                    self._settle(future, report=job.result())
                except Exception as error:  # whatever the job's process died of
                    self._settle(future, error=error)

    def _settle(self, future: Future[Report], report: Report | None = None, error: Exception | None = None) -> None:
        if self._running.pop(future, None) is None:
            return
        if error is not None:
            future.set_exception(error)
        elif report is not None:
            future.set_result(report)

"""Jobs on a Ray cluster, or on a Ray that is started here for them."""

from __future__ import annotations

import contextlib
import logging
import os
from concurrent.futures import Future
from typing import Any

from medvl.errors import ConfigError
from medvl.tables.job import Job, Report, run_job

SETTINGS = ("num_cpus", "num_gpus", "memory", "resources", "accelerator_type", "scheduling_strategy")


class RayEngine:
    """Jobs as Ray tasks; Ray keeps its worker processes, and with them imports and datasets.

    It joins the cluster of `RAY_ADDRESS`, or starts Ray on this machine and ends it again.

    Args:
        device: `cpu` or `cuda`: a job on CUDA gets a GPU of its own.
        jobs: at once; None leaves that to Ray.
        settings: of each task, e.g. `num_cpus`.

    Raises:
        ConfigError: a setting that tasks do not have.
    """

    def __init__(self, *, device: str, jobs: int | None, settings: dict[str, Any]) -> None:
        strange = [key for key in settings if key not in SETTINGS]
        if strange:
            raise ConfigError(f"--engine-option {strange[0]}: not an option of ray's. known: {', '.join(SETTINGS)}")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a job on the CPU sees what is there
        import ray

        self._ray = ray
        self._owned = not ray.is_initialized()
        if self._owned:
            cluster = "RAY_ADDRESS" in os.environ
            here: dict[str, Any] = {} if cluster else {"include_dashboard": False, "num_cpus": jobs}
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **here)
        self.slots = jobs or 10_000  # more than any cluster has: Ray holds back what does not fit
        needs = {"num_cpus": 1, "num_gpus": 1 if device == "cuda" else 0} | settings
        self._task = ray.remote(run_job).options(max_retries=0, **needs)
        self._running: dict[Future[Report], Any] = {}

    def submit(self, job: Job) -> Future[Report]:
        """Start a job."""
        reference = self._task.remote(job)
        future = reference.future()
        self._running[future] = reference
        future.add_done_callback(lambda done: self._running.pop(done, None))
        return future

    def stop(self) -> None:
        """Interrupt all tasks: those that run save a checkpoint, those that wait never start."""
        while self._running:  # each once: a second signal would end a task before it has saved
            _, reference = self._running.popitem()
            with contextlib.suppress(Exception):  # it may have ended in between
                self._ray.cancel(reference, force=False)

    def close(self) -> None:
        """Leave the cluster, or end the Ray that was started here."""
        if self._owned:
            self._ray.shutdown()

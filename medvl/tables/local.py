"""Jobs in worker processes of this machine, which keep imports, plans and datasets from one job to the next."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import torch

from medvl.tables.job import Job, Report, run_job

VISIBLE = "CUDA_VISIBLE_DEVICES"


def default_jobs(device: str) -> int:
    """One job a GPU; on a processor two jobs with half the cores each: small stages keep no more cores busy."""
    return torch.cuda.device_count() if device == "cuda" else min(2, _cores())


def threads_of(jobs: int) -> int:
    """Of torch, in each of so many processes: `OMP_NUM_THREADS`, else an even share of the cores."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS") or _cores() // jobs))


class LocalEngine:
    """One executor of one process for each job at a time: a process that dies takes only its own job with it.

    Args:
        jobs: at once.
        device: `cpu` or `cuda`; on CUDA the workers share the GPUs out evenly.
    """

    def __init__(self, jobs: int, device: str) -> None:
        self.slots = jobs
        self._device = device
        self._executors: dict[int, ProcessPoolExecutor] = {}
        self._free = list(range(jobs))[::-1]

    def submit(self, job: Job) -> Future[Report]:
        """Start a job in a free worker."""
        slot = self._free.pop()
        future = self._executor(slot).submit(run_job, job)
        future.add_done_callback(lambda done: self._release(slot, done))
        return future

    def stop(self) -> None:
        """Send every worker SIGTERM: it saves a checkpoint after the step it is at. More of them change nothing."""
        for executor in list(self._executors.values()):
            for process in list((executor._processes or {}).values()):
                process.terminate()

    def close(self) -> None:
        """End the workers."""
        for executor in self._executors.values():
            executor.shutdown(wait=True, cancel_futures=True)
        self._executors.clear()

    def _executor(self, slot: int) -> ProcessPoolExecutor:
        if slot not in self._executors:
            gpu = _gpu_of(slot) if self._device == "cuda" else None
            self._executors[slot] = ProcessPoolExecutor(
                1,
                multiprocessing.get_context("spawn"),
                initializer=prepare_worker,
                initargs=(threads_of(self.slots), gpu),
            )
        return self._executors[slot]

    def _release(self, slot: int, done: Future[Report]) -> None:
        if not done.cancelled() and isinstance(done.exception(), BrokenProcessPool):
            del self._executors[slot]  # the next job gets a new process
        self._free.append(slot)


def prepare_worker(threads: int, gpu: str | None) -> None:
    """Called once in each worker, before CUDA is first used.

    Args:
        threads: of torch.
        gpu: the one that this worker sees, as `CUDA_VISIBLE_DEVICES` names it.
    """
    if gpu is not None:
        os.environ[VISIBLE] = gpu
    torch.set_num_threads(threads)
    for number in (signal.SIGINT, signal.SIGTERM):  # between jobs there is nothing to save; the table's process decides
        signal.signal(number, signal.SIG_IGN)


def _gpu_of(slot: int) -> str:
    named = [name for name in os.environ.get(VISIBLE, "").split(",") if name]
    visible = named or [str(number) for number in range(torch.cuda.device_count())]
    return visible[slot % len(visible)]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

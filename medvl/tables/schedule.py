"""Running a table's stages: each when the stages it starts from are done, as many at once as the engine takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait

from medvl.engine.interrupt import Interrupted, InterruptGuard
from medvl.runs.progress import Progress
from medvl.tables.engine import Engine
from medvl.tables.job import Job, Report, fail
from medvl.tables.plan import StageRun, TablePlan

POLL = 0.5  # seconds between looks at whether Ctrl-C was pressed


def run_stages(
    plan: TablePlan, engine: Engine, plugin_files: tuple[str, ...], tell: Callable[[str], None]
) -> dict[str, Report]:
    """Run what is not finished; what fails takes with it only what starts from it.

    Args:
        plan: of the table.
        engine: runs the jobs.
        plugin_files: one-file plugins of the command line.
        tell: called with a sentence for each stage that fails.

    Returns:
        hash -> how it ended, of the stages that were not finished.

    Raises:
        Interrupted: stopped on request; running stages have saved their last step.
    """
    schedule = _Schedule(plan)
    running: dict[Future[Report], StageRun] = {}
    with InterruptGuard() as guard, Progress(plan.name, len(plan.stages), "stage", schedule.done) as progress:
        while schedule.ready or running:
            if guard.asked:
                _stop(engine, running)
                raise Interrupted
            while schedule.ready and len(running) < engine.slots:
                stage = schedule.ready.pop(0)
                running[engine.submit(_job(stage, plugin_files))] = stage
            finished, _ = wait(running, timeout=POLL, return_when=FIRST_COMPLETED)
            for future in finished:
                stage = running.pop(future)
                report = _report(future, stage)
                if report.status == "interrupted":  # a signal reached the worker before it reached us
                    guard.asked = True
                    continue
                if report.status == "failed":
                    tell(f"{stage.stage} ({stage.cells[0]}) failed: {report.message.splitlines()[0]}")
                ended = schedule.end(stage, report)
                failed = sum(each.status == "failed" for each in schedule.reports.values())
                progress.advance(ended, **({"failed": str(failed)} if failed else {}))
    return schedule.reports


def _stop(engine: Engine, running: Mapping[Future[Report], StageRun]) -> None:
    """Until all have ended: a worker that is between jobs, or still starting, does not hear a single signal."""
    while not all(future.done() for future in running):
        engine.stop()
        wait(running, timeout=POLL)


def _job(stage: StageRun, plugin_files: tuple[str, ...]) -> Job:
    return Job(stage.at.hash, stage.stage, stage.at.folder, stage.experiment.tree, plugin_files, stage.device)


def _report(future: Future[Report], stage: StageRun) -> Report:
    error = future.exception()
    if error is None:
        return future.result()
    return fail(stage.at.folder, f"its process ended before it did ({type(error).__name__}: {error}); out of memory?")


class _Schedule:
    """Which stages are ready. Those on which most depends come first, so that no long chain is left for the end."""

    def __init__(self, plan: TablePlan) -> None:
        self.reports: dict[str, Report] = {}
        self._left = {stage.at.hash: stage for stage in plan.left()}
        self.done = len(plan.stages) - len(self._left)
        self._weights = {hash: len(stage.cells) for hash, stage in plan.stages.items()}
        self.ready: list[StageRun] = []
        self._waiting = dict(self._left)
        self._release()

    def end(self, stage: StageRun, report: Report) -> int:
        """Note how a stage ended; how many stages that settles, with those that cannot run any more."""
        before = len(self.reports)
        self.reports[stage.at.hash] = report
        if report.status == "failed":
            self._fail_below(stage.at.hash, report)
        self._release()
        return len(self.reports) - before

    def _release(self) -> None:
        complete = {hash for hash, report in self.reports.items() if report.status == "complete"}
        for stage in list(self._waiting.values()):
            if all(parent in complete or parent not in self._left for parent in stage.parents):
                self.ready.append(self._waiting.pop(stage.at.hash))
        self.ready.sort(key=lambda stage: -self._weights[stage.at.hash])

    def _fail_below(self, parent: str, report: Report) -> None:
        for stage in [stage for stage in self._waiting.values() if parent in stage.parents]:
            below = Report("failed", f"it starts from {self._left[parent].stage}, which failed: {report.message}")
            del self._waiting[stage.at.hash]
            self.reports[stage.at.hash] = below
            self._fail_below(stage.at.hash, report)

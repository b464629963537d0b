"""`medvl table FILE [KEY=VALUE]...`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from medvl.cli.options import experiment_arguments, short_path, told_to_stop

if TYPE_CHECKING:
    from medvl.tables.engine import EngineName
    from medvl.tables.job import Report
    from medvl.tables.plan import TablePlan


@click.command(
    help="Run every cell of a table's matrix, equal stages once and several at a time, and show ours beside the "
    "paper's numbers. Run again after any interruption, it goes on where it stopped; a finished table is only shown. "
    "KEY=VALUE changes the experiment that the cells change; what a choice says wins."
)
@experiment_arguments
@click.option("--dry-run", is_flag=True, help="List the runs, what is shared, and how long it will take; run nothing.")
@click.option("--jobs", type=click.IntRange(1), metavar="N",
              help="Stages at once. [default: one a GPU; without one, two]")  # fmt: skip
@click.option("--engine", type=click.Choice(["local", "slurm", "ray"]), default="local", show_default=True,
              help="Where stages run; slurm and ray need a file system that all machines share.")  # fmt: skip
@click.option("--engine-option", "options", multiple=True, metavar="KEY=VALUE",
              help="Handed to the engine, e.g. slurm_partition=gpu; may be given several times.")  # fmt: skip
def command(
    file: Path,
    overrides: tuple[str, ...],
    plugin_files: tuple[str, ...],
    dry_run: bool,
    jobs: int | None,
    engine: str,
    options: tuple[str, ...],
) -> None:
    """Plan, run what is left, show."""
    from medvl.config.matrix import read_matrix
    from medvl.config.resolve import overridden_tree
    from medvl.tables.plan import plan_table
    from medvl.tables.planner import Planner
    from medvl.tables.render import Rendering
    from medvl.tables.values import read_cells

    planner = Planner(plugin_files)
    tree = overridden_tree(file, overrides)
    plan = plan_table(read_matrix(tree, planner.plugins(tree)), planner)
    if dry_run:
        _dry_run(plan, jobs)
        return
    reports = _run(plan, cast("EngineName", engine), jobs, options, plugin_files) if plan.left() else {}
    rendering = Rendering(plan.name, plan.matrix, read_cells(plan, reports))
    rendering.table().show()
    click.echo("\nwhere everything lies:")
    for path in rendering.write(plan.folder):
        click.echo(f"  {short_path(path)}")
    if any(report.status == "failed" for report in reports.values()):
        sys.exit(1)


def _dry_run(plan: TablePlan, jobs: int | None) -> None:
    from medvl.runs.progress import PATIENCE, Progress
    from medvl.tables.dry_run import overview, stages_table
    from medvl.tables.forecast import forecast
    from medvl.tables.local import default_jobs, threads_of

    left = plan.left()
    jobs = jobs or default_jobs(left[0].device if left else "cpu")
    with Progress("timing", None, "kind", patience=PATIENCE) as progress:
        expected = forecast(plan, jobs, threads_of(jobs), progress.reach)
    stages_table(plan, expected).show()
    for line in overview(plan, expected):
        click.echo(line)


def _run(
    plan: TablePlan, name: EngineName, jobs: int | None, options: tuple[str, ...], plugin_files: tuple[str, ...]
) -> dict[str, Report]:
    from medvl.engine.interrupt import Interrupted
    from medvl.tables.engine import make_engine
    from medvl.tables.schedule import run_stages

    device = next(stage.device for stage in plan.left())
    engine = make_engine(name, plan.folder, device=device, jobs=jobs, settings=_settings(options))
    try:
        return run_stages(plan, engine, plugin_files, lambda sentence: click.echo(sentence, err=True))
    except (Interrupted, KeyboardInterrupt) as error:
        told_to_stop(saved=isinstance(error, Interrupted))
    finally:
        engine.close()


def _settings(options: tuple[str, ...]) -> dict[str, object]:
    from medvl.config.source import parse_value

    settings: dict[str, object] = {}
    for option in options:
        key, separator, value = option.partition("=")
        if not separator:
            raise click.UsageError(f"--engine-option {option}: is written KEY=VALUE, e.g. timeout_min=600")
        settings[key] = parse_value(value)
    return settings

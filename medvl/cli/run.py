"""`medvl run FILE [KEY=VALUE]...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from medvl.cli.options import experiment_arguments, load_experiment, short_path, smoke_option, told_to_stop

if TYPE_CHECKING:
    from medvl.engine.outcome import Outcome


@click.command(help="Train and evaluate an experiment. Run again after any interruption, it goes on where it stopped.")
@experiment_arguments
@smoke_option
def command(file: Path, overrides: tuple[str, ...], plugin_files: tuple[str, ...], smoke: bool) -> None:
    """Stage after stage; tables and places at the end."""
    experiment, plugins = load_experiment(file, overrides, plugin_files, smoke)

    from medvl.config.resolve import plugin_requests
    from medvl.engine.interrupt import Interrupted
    from medvl.engine.run import run_experiment

    files, required = plugin_requests(experiment.tree, plugin_files)
    experiment.plugins = (*required, *map(str, files))  # the kept configuration must find one-file plugins again
    outcomes: list[Outcome] = []
    try:
        for outcome in run_experiment(experiment, plugins.versions()):
            outcomes.append(outcome)
            _tell(outcome)
    except (Interrupted, KeyboardInterrupt) as error:
        told_to_stop(saved=isinstance(error, Interrupted), tell=_leads())
    _report(outcomes)


def _leads() -> bool:
    """Several processes train together; one of them talks."""
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    return getattr(rank_zero_only, "rank", 0) == 0


def _tell(outcome: Outcome) -> None:
    if not _leads():
        return
    for note in outcome.notes:
        click.echo(f"note: {outcome.stage}: {note}")
    if outcome.reused:
        click.echo(f"{outcome.stage}: finished before, nothing to do")


def _report(outcomes: list[Outcome]) -> None:
    from medvl.runs import folder as names

    if not _leads():
        return
    for outcome in outcomes:
        for table in outcome.tables:
            click.echo()
            table.show()
    click.echo("\nwhere everything lies:")
    for outcome in outcomes:
        click.echo(f"  {outcome.stage}: {short_path(outcome.folder)}")
        found = [part for part in names.PARTS if (outcome.folder / part).exists()]
        click.echo(f"      {', '.join(found)}")

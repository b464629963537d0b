"""`medvl run FILE [KEY=VALUE]...`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medvl.cli.options import experiment_arguments, load_experiment

if TYPE_CHECKING:
    from medvl.engine.stage import Outcome


@click.command(help="Train and evaluate an experiment. Run again after any interruption, it goes on where it stopped.")
@experiment_arguments
def command(file: Path, overrides: tuple[str, ...], plugin_files: tuple[str, ...]) -> None:
    """Stage after stage; tables and places at the end."""
    experiment, plugins = load_experiment(file, overrides, plugin_files)

    from medvl.engine.interrupt import Interrupted
    from medvl.engine.run import run_experiment

    versions = {
        info.name: info.version or "file" for info in plugins.infos.values() if not info.error and not info.disabled
    }
    outcomes: list[Outcome] = []
    try:
        for outcome in run_experiment(experiment, versions):
            outcomes.append(outcome)
            for note in outcome.notes:
                click.echo(f"note: {outcome.stage}: {note}")
            if outcome.reused:
                click.echo(f"{outcome.stage}: finished before, nothing to do")
    except (Interrupted, KeyboardInterrupt) as error:
        saved = (
            "everything is saved" if isinstance(error, Interrupted) else "stopped at once; the last checkpoint is good"
        )
        click.echo(f"\nstopped; {saved}. to go on: medvl run {' '.join(sys.argv[2:])}", err=True)
        sys.exit(130)
    _report(outcomes)


def _report(outcomes: list[Outcome]) -> None:
    from medvl.runs import folder as names

    for outcome in outcomes:
        for table in outcome.tables:
            click.echo()
            table.show()
    click.echo("\nwhere everything lies:")
    for outcome in outcomes:
        click.echo(f"  {outcome.stage}: {_short(outcome.folder)}")
        parts = [
            names.CONFIG,
            "manifest.json",
            names.METRICS,
            "last.ckpt",
            "best.ckpt",
            names.EXPORTS,
            "predictions",
            "figures",
        ]
        found = [part for part in parts if (outcome.folder / part).exists()]
        click.echo(f"      {', '.join(found)}")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

"""`medvl show FILE [--why KEY]`."""

from __future__ import annotations

from pathlib import Path

import click

from medvl.cli.options import experiment_arguments, load_experiment, smoke_option


@click.command(
    help="Print the resolved experiment, all defaults filled in; with --why KEY, where that value came from."
)
@experiment_arguments
@smoke_option
@click.option("--why", metavar="KEY", help="A key such as finetune.optim.lr.")
def command(
    file: Path, overrides: tuple[str, ...], plugin_files: tuple[str, ...], smoke: bool, why: str | None
) -> None:
    """YAML on standard output, or the history of one value."""
    experiment, _ = load_experiment(file, overrides, plugin_files, smoke)
    if why is None:
        import yaml

        click.echo(yaml.safe_dump(experiment.plain(), sort_keys=False, allow_unicode=True, width=120).rstrip())
        return

    from medvl.config.why import explain

    for line in explain(experiment, why):
        click.echo(line)

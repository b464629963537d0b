"""`medvl check FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from medvl.cli.options import experiment_arguments, load_experiment, smoke_option


@click.command(
    help="Say what is wrong with an experiment: names, parameters, fields, capabilities, shapes, lints. Reads no data."
)
@experiment_arguments
@smoke_option
def command(file: Path, overrides: tuple[str, ...], plugin_files: tuple[str, ...], smoke: bool) -> None:
    """All problems at once, or one line a stage."""
    experiment, _ = load_experiment(file, overrides, plugin_files, smoke)

    from medvl.engine.check import check_experiment

    for name, plan in check_experiment(experiment).items():
        slots = " + ".join(f"{slot} {plan.stage.slots[slot].name}" for slot in plan.slots)
        click.echo(
            f"{name}: {plan.stage.objective.name} on {slots or 'no model'}, {plan.parameters / 1e6:.1f} M parameters"
        )
        for feature in plan.features.values():
            tokens = f", {feature.tokens} tokens" if feature.tokens else ""
            grid = f" ({feature.grid[0]} x {feature.grid[1]})" if feature.grid else ""
            click.echo(f"  {feature.name}: width {feature.width}{tokens}{grid}")
        for note in plan.notes:
            click.echo(f"  note: {note}")
        for finding in plan.findings:
            click.echo(f"  {finding.severity}: {finding.sentence()}")
    click.secho("ok", fg="green")

"""`medvl fits SLOT FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from medvl.cli.options import plugin_option
from medvl.errors import ConfigError, unknown


@click.command(
    help="List what can go into the model SLOT (image, text, fusion) of an experiment, and why others cannot."
)
@click.argument("slot", type=click.Choice(["image", "text", "fusion"]))
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--stage", help="Which stage; by default the last one.")
@plugin_option
def command(
    slot: str, file: Path, overrides: tuple[str, ...], stage: str | None, plugin_files: tuple[str, ...]
) -> None:
    """One line a candidate."""
    from medvl.config.resolve import plugin_requests, read_tree, resolve
    from medvl.plugins import Plugins

    tree = read_tree(file, overrides)
    files, required = plugin_requests(tree, plugin_files)
    plugins = Plugins(files, required)
    resolve(tree, plugins)  # the experiment itself must be whole before one slot of it is varied
    stages = list(tree.values["stages"])
    if stage is not None and stage not in stages:
        raise ConfigError(f"--stage: {unknown('stage', stage, stages)}")

    from medvl.engine.fits import candidates

    for fit in candidates(tree, plugins, stage or stages[-1], slot):
        click.echo(f"{fit.name}: fits" if not fit.reason else f"{fit.name}: does not fit: {fit.reason}")

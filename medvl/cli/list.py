"""`medvl list [KIND]`."""

from __future__ import annotations

import click

from medvl.cli.options import plugin_option
from medvl.errors import UnknownName, unknown
from medvl.plugins import Plugins
from medvl.registry import KINDS


@click.command(help="List the components that can be named in an experiment, all or of one KIND.")
@click.argument("kind", required=False)
@plugin_option
def command(kind: str | None, plugin_files: tuple[str, ...]) -> None:
    """Names, plugins and first sentences; imports no component."""
    if kind is not None and kind not in KINDS:
        singular = kind.removesuffix("s")
        if singular not in KINDS:
            raise UnknownName(unknown("kind", kind, KINDS))
        kind = singular
    plugins = Plugins(plugin_files)
    for each in KINDS if kind is None else (kind,):
        entries = sorted((entry for entry in plugins.registry if entry.kind == each), key=lambda entry: entry.name)
        if not entries:
            continue
        click.secho(each, bold=True)
        width = max(len(entry.name) for entry in entries)
        for entry in entries:
            click.echo(f"  {entry.name:<{width}}  {entry.plugin:<9}  {entry.summary}")
    for info in plugins.broken():
        click.secho(f"plugin '{info.name}' is broken; `medvl plugins` shows why", fg="red", err=True)

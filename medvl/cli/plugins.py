"""`medvl plugins`."""

from __future__ import annotations

import click

from medvl.cli.options import plugin_option
from medvl.plugins import DISABLE_VARIABLE, Plugins


@click.command(help="List the plugins: version, load time, what they register; a broken one with its traceback.")
@plugin_option
def command(plugin_files: tuple[str, ...]) -> None:
    """One line a plugin, and tracebacks behind."""
    plugins = Plugins(plugin_files)
    for info in sorted(plugins.infos.values(), key=lambda info: info.name):
        names = ", ".join(f"{e.kind} {e.name}" for e in plugins.registry if e.plugin == info.name)
        state = (
            f"off ({DISABLE_VARIABLE})"
            if info.disabled
            else "broken"
            if info.error
            else f"{info.seconds * 1000:.0f} ms"
        )
        click.echo(f"{info.name}  {info.version or 'file'}  {state}  {info.origin}  {names}".rstrip())
    for info in plugins.broken():
        click.secho(f"\nplugin '{info.name}' ({info.origin}) is broken:", fg="red")
        click.echo(info.error.rstrip())

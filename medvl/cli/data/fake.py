"""`medvl data fake NAME OUT --patients N`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medvl.cli.options import plugin_option
from medvl.errors import DataError, MedvlError
from medvl.plugins import Plugins

if TYPE_CHECKING:
    from medvl.data.miniature import Write


@click.command(
    help="Write a miniature of the dataset NAME into the new or empty folder OUT: its official files and folders, with "
    "phantom radiographs and invented reports. Everything that reads the real one reads it."
)
@click.argument("name")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--patients", type=click.IntRange(min=1), default=40, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything drawn.")
@plugin_option
def command(name: str, out: Path, patients: int, seed: int, plugin_files: tuple[str, ...]) -> None:
    """The files, and what to paste and to type next."""
    plugins = Plugins(plugin_files)
    write = _writer(plugins, name)
    if out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out}: is not empty, and a miniature is written into a folder of its own. do: name another")
    out.mkdir(parents=True, exist_ok=True)

    from medvl.config.component import plain_values
    from medvl.data.miniature import mark_miniature

    parameters = {key: plain_values(value) for key, value in write(out.resolve(), patients=patients, seed=seed).items()}
    mark_miniature(out, name, patients, seed)
    files = [path for path in out.rglob("*") if path.is_file()]
    click.echo(f"{len(files):,} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB in {out}")
    _say_how(parameters, plugin_files)


def _writer(plugins: Plugins, name: str) -> Write:
    """What the dataset names as the writer of its miniature."""
    from medvl.data.miniature import writer_of

    write = writer_of(plugins.get("dataset", name).load())
    if write is None:
        raise DataError(
            f"dataset '{name}' has no miniature. those that have: {', '.join(_with_miniature(plugins)) or 'none'}"
        )
    return write


def _with_miniature(plugins: Plugins) -> list[str]:
    names = []
    for name in plugins.registry.names("dataset"):
        try:
            if getattr(plugins.get("dataset", name).load(), "fake", None) is not None:
                names.append(name)
        except MedvlError:  # a broken plugin's dataset is no answer here
            continue
    return names


def _say_how(parameters: dict[str, Any], plugin_files: tuple[str, ...]) -> None:
    import yaml

    section = yaml.safe_dump({"data": parameters}, default_flow_style=None, sort_keys=False, width=110).rstrip()
    click.echo(f"\nto use it in an experiment:\n\n{section}\n")
    given = [f"{key}={_spelled(value)}" for key, value in parameters.items() if key != "name"]
    extra = [word for file in plugin_files for word in ("--plugin", file)]
    click.echo(f"next: {shlex.join(['medvl', 'data', 'doctor', parameters['name'], *given, *extra])}")


def _spelled(value: Any) -> str:
    """A value as YAML on one line, as the command line reads it."""
    import yaml

    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()

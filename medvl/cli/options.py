"""What several verbs share: the experiment's file, its overrides, one-file plugins, and how they end."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from medvl.config.experiment import Experiment
    from medvl.plugins import Plugins

STOPPED = 130  # the exit code of a program that Ctrl-C ended

plugin_option = click.option(
    "--plugin",
    "plugin_files",
    multiple=True,
    metavar="FILE.py",
    help="Load a one-file plugin; may be given several times.",
)

smoke_option = click.option(
    "--smoke",
    is_flag=True,
    help="Tiny: miniature data, no weights from anywhere, small images, four steps; under runs/smoke. Shows that the "
    "experiment works, not what it gives.",
)


def experiment_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """FILE, then any number of key=value overrides, and --plugin."""
    command = plugin_option(command)
    command = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(command)
    return click.argument("file", type=click.Path(path_type=Path))(command)


def load_experiment(
    file: Path, overrides: tuple[str, ...], plugin_files: tuple[str, ...], smoke: bool = False
) -> tuple[Experiment, Plugins]:
    """The resolved experiment and the plugins it was resolved with; with `smoke` (or `smoke: true`) made tiny.

    Raises:
        MedvlError: with file, line and key.
    """
    from medvl.config.resolve import plugin_requests, read_tree, resolve
    from medvl.config.smoke import shrink
    from medvl.plugins import Plugins

    tree = read_tree(file, overrides)
    files, required = plugin_requests(tree, plugin_files)
    plugins = Plugins(files, required)
    if smoke or tree.values.get("smoke"):
        shrink(tree, plugins)
    return resolve(tree, plugins), plugins


def told_to_stop(*, saved: bool, tell: bool = True) -> NoReturn:
    """End a run that was interrupted, and say how to go on.

    Args:
        saved: whether the last step is in a checkpoint.
        tell: whether this process is the one that talks.
    """
    if tell:
        how = "everything is saved" if saved else "at once; the last checkpoint is good"
        click.echo(f"\nstopped; {how}. to go on: {_this_command()}", err=True)
    sys.exit(STOPPED)


def _this_command() -> str:
    """What the user typed, to be typed again."""
    program = Path(sys.argv[0])
    started = [sys.executable, "-m", "medvl"] if program.name == "__main__.py" else [program.name]
    return shlex.join([*started, *sys.argv[1:]])


def short_path(path: Path) -> str:
    """A path as the user would type it: relative to the working folder where it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

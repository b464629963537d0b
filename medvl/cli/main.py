"""The command line. Each verb is a file of its own, imported when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from medvl.errors import MedvlError

VERBS = {
    "run": "Train and evaluate an experiment; goes on where an earlier run of it stopped.",
    "check": "Say what is wrong with an experiment, before any data is read.",
    "show": "Print the resolved experiment, and where each value came from.",
    "list": "List the components that can be named in an experiment.",
    "describe": "Describe one component: parameters, contract, paper, place.",
    "fits": "List what can go into a model slot of an experiment.",
    "plugins": "List the plugins, and why a broken one is broken.",
    "predict": "Findings of images, by a finished run.",
}


class LazyGroup(click.Group):
    """Lists the verbs without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order a newcomer meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb's file."""
        if cmd_name not in VERBS:
            return None
        return importlib.import_module(f"medvl.cli.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs and what they do, from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="medvl", message="medvl %(version)s")
def app() -> None:
    """Vision-language pre-training on chest radiographs.

    Start with: medvl run experiments/mmbt_moco.yaml
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; errors that a user can mend are printed without a traceback and exit with 1."""
    try:
        return app(arguments, standalone_mode=True)
    except MedvlError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)

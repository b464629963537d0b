"""The command line. Each verb is a file of its own, imported when it is called."""

from __future__ import annotations

import sys
from typing import Any

import click

from medvl.cli.lazy import LazyGroup
from medvl.errors import MedvlError

VERBS = {
    "run": "Train and evaluate an experiment; goes on where an earlier run of it stopped.",
    "table": "Run all cells of a table, several at once, and show ours beside the paper's.",
    "check": "Say what is wrong with an experiment, before any data is read.",
    "show": "Print the resolved experiment, and where each value came from.",
    "list": "List the components that can be named in an experiment.",
    "describe": "Describe one component: parameters, contract, paper, place.",
    "fits": "List what can go into a model slot of an experiment.",
    "plugins": "List the plugins, and why a broken one is broken.",
    "predict": "Findings of images, by a finished run.",
    "compare": "Differences between finished runs on the same cases: paired bootstrap, forest plot.",
    "embed": "t-SNE of a finished stage's image embeddings, of one data set or several.",
    "ablate": "What text and image contribute to a finished stage: its metrics without them.",
    "explain": "Show what a finished stage looks at and writes: one page and pictures.",
    "data": "Look after datasets: doctor, prepare, stats, verify, fake.",
}


@click.command(
    cls=LazyGroup, verbs=VERBS, package="medvl.cli", context_settings={"help_option_names": ["-h", "--help"]}
)
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

"""`medvl data VERB`: looking after datasets. Each verb is a file of its own, imported when it is called."""

from __future__ import annotations

import click

from medvl.cli.lazy import LazyGroup

VERBS = {
    "doctor": "What is missing, where it is obtained, what looks wrong; says what to do next.",
    "prepare": "Decode and scale every image once, so that training never does; resumable.",
    "stats": "Prevalence, views, ages, text lengths and splits, as tables and a picture.",
    "verify": "Open every file; compare counts and checksums with the owner's.",
    "fake": "Write a miniature of a dataset in its official layout, from phantom radiographs.",
}


@click.command(cls=LazyGroup, verbs=VERBS, package="medvl.cli.data")
def command() -> None:
    """Look after a dataset: one that an experiment names, or one named here with its parameters.

    \b
    medvl data doctor experiments/mmbt_moco.yaml
    medvl data stats chexpert root=/data/chexpert labels=ones
    """

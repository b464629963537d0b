"""A group of verbs that are listed without being imported."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Verbs, each in a file of its own (`PACKAGE.VERB`, holding a `command`) that is imported when it is called.

    Args:
        verbs: name -> what it does, in the order a newcomer meets them.
        package: where the files stand.
        settings: what click takes for any group.
    """

    def __init__(self, *, verbs: Mapping[str, str], package: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.verbs, self.package = verbs, package

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in order."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb's file."""
        if cmd_name not in self.verbs:
            return None
        return importlib.import_module(f"{self.package}.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs and what they do, from the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.verbs.items()))

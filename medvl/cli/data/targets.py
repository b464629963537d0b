"""What the data verbs are given: the `data:` of an experiment's stages, or a dataset named on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medvl.cli.options import plugin_option
from medvl.errors import ConfigError, unknown

if TYPE_CHECKING:
    import pyarrow as pa

    from medvl.config.component import Component
    from medvl.data.dataset import Dataset
    from medvl.data.selection import Selection

USAGE = "FILE [STAGE] [KEY=VALUE]... | DATASET [KEY=VALUE]..."


@dataclass
class Target:
    """A dataset, and what stages or the command line select of it.

    Attributes:
        title: for headings: the dataset's name, after the stages that use it.
        component: the dataset, not built.
        selections: one for each stage that uses it, in order; exactly one for a named dataset.
        seed: of splits that are drawn.
        stages: names of the stages; none for a named dataset.
    """

    component: Component
    selections: list[Selection]
    seed: int = 0
    stages: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """`chexpert`, or `pretrain, finetune: chexpert`."""
        return f"{', '.join(self.stages)}: {self.component.name}" if self.stages else self.component.name

    @property
    def selection(self) -> Selection:
        """That of the last stage, which mostly selects most."""
        return self.selections[-1]

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset, built; nothing is read."""
        return self.component.build()

    @cached_property
    def table(self) -> pa.Table:
        """Its study table, opened once."""
        from medvl.data.study_table import open_table

        return open_table(self.dataset)

    def cases(self, selection: Selection) -> pa.Table:
        """The table whose rows are the cases of a selection: the study table, or that of its questions."""
        from medvl.data.question_table import open_questions

        return open_questions(self.table) if selection.asks else self.table


def target_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """SOURCE, then a stage or key=value, and --plugin."""
    command = plugin_option(command)
    command = click.argument("rest", nargs=-1, metavar="[STAGE] [KEY=VALUE]...")(command)
    return click.argument("source", metavar="FILE|DATASET")(command)


def names_experiment(source: str) -> bool:
    """Whether SOURCE is an experiment's file; anything else is a dataset's name."""
    return source.endswith((".yaml", ".yml")) or Path(source).is_file()


def read_targets(source: str, rest: tuple[str, ...], plugin_files: tuple[str, ...]) -> list[Target]:
    """The datasets that a user means; stages of one dataset share a target.

    Args:
        source: an experiment's file, or a dataset's name.
        rest: for a file a stage (all where left out) and overrides; for a dataset its parameters and, beside them, the
            keys that every `data:` section has.
        plugin_files: one-file plugins.

    Raises:
        ConfigError: names, parameters or types that are wrong, all at once.
    """
    if names_experiment(source):
        stage, overrides = stage_and_overrides(rest)
        return _of_stages(Path(source), stage, overrides, plugin_files)
    return [_named(source, rest, plugin_files)]


def stage_and_overrides(rest: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The first word without `=` is a stage's name; a second one is a mistake."""
    stages = [word for word in rest if "=" not in word]
    if len(stages) > 1:
        raise click.UsageError(f"give one stage, or none for all: {' '.join(stages)}")
    return (stages[0] if stages else None), tuple(word for word in rest if "=" in word)


def require_stage(stage: str | None, known: list[str]) -> None:
    """Refuse a stage that the experiment does not have."""
    if stage is not None and stage not in known:
        raise ConfigError(unknown("stage", stage, known))


def _of_stages(
    file: Path, stage: str | None, overrides: tuple[str, ...], plugin_files: tuple[str, ...]
) -> list[Target]:
    from medvl.config.resolve import plugin_requests, read_tree, resolve_data
    from medvl.plugins import Plugins

    tree = read_tree(file, overrides)
    plugins = Plugins(*plugin_requests(tree, plugin_files))
    stages = tree.values.get("stages")
    names = list(stages) if isinstance(stages, dict) else []
    require_stage(stage, names)
    targets: list[Target] = []
    for name in names if stage is None else [stage]:
        component, selection = resolve_data(tree, plugins, ("stages", name, "data"))
        same = next((target for target in targets if target.component.plain() == component.plain()), None)
        if same is None:
            same = Target(component, [], int(tree.values.get("seed", 0)))
            targets.append(same)
        same.selections.append(selection)
        same.stages.append(name)
    return targets


def _named(name: str, parameters: tuple[str, ...], plugin_files: tuple[str, ...]) -> Target:
    from medvl.config.merge import put
    from medvl.config.resolve import resolve_data
    from medvl.config.source import Origin, Tree, parse_value
    from medvl.plugins import Plugins

    tree = Tree()
    put(tree, ("data",), {"name": name}, Origin(f"command line '{name}'", Path.cwd()))
    for text in parameters:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise ConfigError(f"command line '{text}': a parameter is written key=value, e.g. root=/data/{name}")
        path = ("data", *key.removeprefix("data.").split("."))
        put(tree, path, parse_value(value), Origin(f"command line '{text}'", Path.cwd()))
    component, selection = resolve_data(tree, Plugins(plugin_files), ("data",))
    return Target(component, [selection])

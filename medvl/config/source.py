"""Reading one YAML file, with the file and line of every value."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from medvl.errors import ConfigError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Origin:
    """Where a value was written: a file and line, or the command line.

    Attributes:
        text: what a user reads, `experiments/x.yaml:12` or `command line: finetune.fusion=concat`.
        folder: relative paths in the value are taken from here.
    """

    text: str
    folder: Path


@dataclass
class Tree:
    """Nested plain values, and for each key path everything that was written there, last one wins."""

    values: dict[str, Any] = field(default_factory=dict)
    history: dict[KeyPath, list[tuple[Any, Origin]]] = field(default_factory=dict)

    def copy(self) -> Tree:
        """A tree that can be changed without changing this one; what was written before is shared."""
        return Tree(copy.deepcopy(self.values), {path: list(written) for path, written in self.history.items()})

    def origin(self, path: KeyPath) -> Origin:
        """Where the value at `path`, or its closest parent, was written."""
        for length in range(len(path), -1, -1):
            written = self.history.get(path[:length])
            if written:
                return written[-1][1]
        return Origin("?", Path.cwd())

    def place(self, path: KeyPath) -> str:
        """`file:line key.path`, the beginning of every message."""
        return f"{self.origin(path).text} {spell_path(path)}".strip()


def spell_path(path: KeyPath) -> str:
    """`("stages", "a", "evaluate", 0)` -> `stages.a.evaluate[0]`."""
    spelled = ""
    for part in path:
        spelled += f"[{part}]" if isinstance(part, int) else f".{part}"
    return spelled.lstrip(".")


def read_yaml(path: Path) -> Tree:
    """The values of a YAML file and where each stands.

    Raises:
        ConfigError: the file is missing, not YAML, repeats a key, or is not a mapping.
    """
    shown = _shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        raise ConfigError(f"{shown}: no such file. YAML files there: {', '.join(near) or 'none'}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{shown}: cannot be read as UTF-8 text: {error}") from None
    try:
        loaded = OmegaConf.create(text)  # knows 1e-4 as a number, and refuses a key given twice
        values = OmegaConf.to_container(loaded, resolve=False)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        at = text.splitlines()[line - 1 : line]
        hint = ". write a reference inside { } or [ ] in quotes: '${KEY}'" if at and "${" in at[0] else ""
        raise ConfigError(f"{shown}:{line}: not valid YAML: {error.problem}{hint}") from None
    except OmegaConfBaseException as error:
        raise ConfigError(f"{shown}: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        found = "nothing" if node is None else type(values).__name__
        raise ConfigError(f"{shown}: an experiment is a mapping of keys, found {found}")
    tree = Tree(cast(dict[str, Any], values), {(): [(values, Origin(shown, path.parent.resolve()))]})
    _note_lines(node, (), tree, shown, path.parent.resolve())
    return tree


def parse_value(text: str) -> Any:
    """A command-line value by YAML's rules: `1e-4`, `true`, `[a, b]`, `{name: x}`, or plain text."""
    try:
        return OmegaConf.to_container(OmegaConf.create(f"value: {text}"), resolve=False)["value"]  # type: ignore[index,call-overload]
    except (yaml.YAMLError, OmegaConfBaseException):
        return text


def resolve_references(tree: Tree) -> dict[str, Any]:
    """Values with `${key}` references filled in, from the root of the experiment.

    Raises:
        ConfigError: a reference to a key that is not there.
    """
    try:
        return OmegaConf.to_container(OmegaConf.create(tree.values), resolve=True)  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        key = tuple(part for part in (error.full_key or "").replace("[", ".").replace("]", "").split(".") if part)
        path = tuple(int(part) if part.isdigit() else part for part in key)
        raise ConfigError(f"{tree.place(path)}: {str(error).splitlines()[0].lower()}") from None


def refuse_nul(tree: Tree, value: Any, path: KeyPath) -> None:
    """Refuse texts that hold the character NUL, wherever they stand: no path or name can.

    Raises:
        ConfigError: names the first.
    """
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{tree.place(path)}: {value!r} holds the character NUL, which no name can. remove it")
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        refuse_nul(tree, part, (*path, key))


def _note_lines(node: yaml.Node, path: KeyPath, tree: Tree, shown: str, folder: Path) -> None:
    children: list[tuple[str | int, int, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        children = [(key.value, key.start_mark.line + 1, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [(i, value.start_mark.line + 1, value) for i, value in enumerate(node.value)]
    for key, line, child in children:
        here = (*path, key)
        tree.history[here] = [(value_at(tree.values, here), Origin(f"{shown}:{line}", folder))]
        _note_lines(child, here, tree, shown, folder)


def value_at(values: Any, path: KeyPath) -> Any:
    """The value at a key path, None where there is none."""
    for part in path:
        if isinstance(values, dict):
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return None
    return values


def _shown(path: Path) -> str:
    """A path as the user would type it: relative to the working folder where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)

"""From a tree of values to an experiment, with all problems at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from medvl.config.component import Component
from medvl.config.experiment import Experiment, Stage
from medvl.config.merge import MODEL_SLOTS, ROOT_KEYS, STAGE_KEYS, TABLE_KEYS, apply_override, load_tree
from medvl.config.protocols import expand_protocols
from medvl.config.reader import OBJECTIVE_KEYS, SLOT_KEYS, ComponentReader
from medvl.config.schema import parameters_of, spell
from medvl.config.sections import Budget, Stop
from medvl.config.source import KeyPath, Tree, refuse_nul, resolve_references, spell_path, value_at
from medvl.data.selection import Selection
from medvl.errors import ConfigError, PackageMissing, PluginBroken
from medvl.plugins import Plugins
from medvl.registry import Entry

REQUIRED_STAGE_KEYS = ("data", "model", "objective", "budget")


def read_tree(path: Path, overrides: tuple[str, ...] = ()) -> Tree:
    """The experiment's values: the file, what it extends, the overrides in order, protocols, references filled in.

    Raises:
        ConfigError: with file and line.
    """
    return finish_tree(overridden_tree(path, overrides))


def overridden_tree(path: Path, overrides: tuple[str, ...] = ()) -> Tree:
    """The file, what it extends, and the overrides in order; references stand as they are written.

    Raises:
        ConfigError: with file and line.
    """
    tree = load_tree(path)
    for text in overrides:
        apply_override(tree, text)
    return tree


def finish_tree(tree: Tree) -> Tree:
    """The same tree, changed for the last time: protocols expanded, references filled in.

    Raises:
        ConfigError: with file and line; also for a table, which is many experiments.
    """
    for key in TABLE_KEYS:
        if tree.values.pop(key, None) is not None:
            raise ConfigError(f"{tree.place((key,))}: this file is a table of many experiments. do: medvl table FILE")
    expand_protocols(tree)
    tree.values = resolve_references(tree)
    refuse_nul(tree, tree.values, ())
    return tree


def plugin_requests(tree: Tree, extra: tuple[str, ...] = ()) -> tuple[list[Path], list[str]]:
    """(files, names) of the plugins that the YAML and the command line ask for."""
    files, names = [], []
    asked = tree.values.get("plugins") or []
    if not isinstance(asked, list):
        raise ConfigError(f"{tree.place(('plugins',))}: expected a list of plugin names and files, found {asked!r}")
    for index, item in enumerate(asked):
        if not isinstance(item, str):
            raise ConfigError(f"{tree.place(('plugins', index))}: expected a plugin's name or file, found {item!r}")
        if item.endswith(".py"):
            files.append((tree.origin(("plugins", index)).folder / item).resolve())
        else:
            names.append(item)
    for item in extra:
        path = Path(item).resolve()
        if path not in files:
            files.append(path)
    return files, names


def resolve(tree: Tree, plugins: Plugins) -> Experiment:
    """Every name and parameter of the experiment, typed.

    Raises:
        ConfigError: all problems at once, each with file, line and key.
        MedvlError: a plugin that is broken, missing or contested.
    """
    return _Resolver(tree, plugins).experiment()


def resolve_data(tree: Tree, plugins: Plugins, path: KeyPath) -> tuple[Component, Selection]:
    """A `data:` section alone: its dataset and what is selected of it. Nothing else of the tree is looked at.

    Raises:
        ConfigError: all its problems at once.
        MedvlError: a plugin that is broken, missing or contested.
    """
    resolver = _Resolver(tree, plugins)
    component, chosen = resolver._data(path)
    selection = resolver._section(Selection, path, chosen)
    if resolver.problems:
        raise ConfigError(resolver.problems)
    assert component is not None and selection is not None  # else there was a problem
    return component, selection


class _Resolver(ComponentReader):
    """Reads the experiment around the components: its own keys, and the sections of each stage."""

    def experiment(self) -> Experiment:
        values = self.tree.values
        self.known_keys(values, ROOT_KEYS, (), "key", "an experiment")
        self._version()
        name = self._typed(("name",), str, required=True)
        if isinstance(name, str):
            self._folder_name(("name",), name)
        stages = values.get("stages")
        if not isinstance(stages, dict) or not stages:
            self.problem(("stages",), "an experiment has at least one stage, stages: {NAME: {...}}")
            stages = {}
        made = {key: self._stage(key, stage) for key, stage in stages.items() if stage is not None}
        settings = {
            "seed": self._typed(("seed",), int, 0),
            "runs": self._typed(("runs",), Path, Path.cwd() / "runs"),
            "device": self._typed(("device",), str, "auto"),
            "devices": self._typed(("devices",), int, 1),
            "precision": self._typed(("precision",), str, "auto"),
            "compile": self._typed(("compile",), bool, False),
            "smoke": self._typed(("smoke",), bool, False),
            "assume": self._typed(("assume",), dict[str, Any], {}),
            "report": self._typed(("report",), dict[str, Any], {}),
        }
        for key, choices in (("device", ("auto", "cpu", "cuda", "mps")), ("precision", ("auto", "32", "bf16"))):
            if str(settings[key]) not in choices:
                self.problem((key,), f"unknown {key} '{settings[key]}'. known: {', '.join(choices)}")
        if self.problems:
            raise ConfigError(self.problems)
        plugins = tuple(str(item) for item in values.get("plugins") or ())
        return Experiment(
            name=name, stages={k: s for k, s in made.items() if s}, tree=self.tree, plugins=plugins, **settings
        )

    def _folder_name(self, path: KeyPath, name: str) -> None:
        if not name or any(character in name for character in '/\\:*?"<>|') or name.startswith("."):
            self.problem(path, f"'{name}' cannot be a folder's name: leave out / \\ : * ? and a leading dot")

    def _version(self) -> None:
        version = self.tree.values.get("medvl", 1)
        if version != 1:
            self.problem(("medvl",), f"this medvl reads experiments of version 1, found {version!r}")

    def _stage(self, name: str, values: Any) -> Stage | None:
        path: KeyPath = ("stages", name)
        if not isinstance(name, str):
            self.problem(path, f"a stage's name is text, found {name!r}")
            return None
        self._folder_name(path, name)
        if name in (*ROOT_KEYS, *STAGE_KEYS, *MODEL_SLOTS):
            self.problem(path, f"'{name}' is a key of experiments; give the stage a name of its own, e.g. finetune")
        if not isinstance(values, dict):
            self.problem(path, f"a stage is a mapping with {', '.join(STAGE_KEYS)}; found {values!r}")
            return None
        before = len(self.problems)
        self.known_keys(values, STAGE_KEYS, path, "key", "a stage")
        trains = value_at(values, ("budget", "steps")) != 0
        for key in (*REQUIRED_STAGE_KEYS, *(("optim",) if trains else ())):
            if values.get(key) is None:
                self.problem(path, f"stage '{name}' needs '{key}'")
        if not isinstance(values.get("model", {}), dict):
            self.problem((*path, "model"), f"model is a mapping with some of {', '.join(MODEL_SLOTS)}")
        if len(self.problems) > before:
            return None
        data, selection_values = self._data((*path, "data"))
        parts = {
            "data": data,
            "selection": self._section(Selection, (*path, "data"), selection_values),
            "views": self.mapping("view", (*path, "views"), values.get("views") or {}),
            "slots": self._slots((*path, "model"), values["model"]),
            "objective": self.component("objective", (*path, "objective"), settings=OBJECTIVE_KEYS),
            "optim": self.component("optimizer", (*path, "optim")) if values.get("optim") is not None else None,
            "seed": self._typed((*path, "seed"), int),
            "evaluate": self.sequence("evaluator", (*path, "evaluate"), values.get("evaluate") or []),
        }
        budget_values = self._section_values(Budget, (*path, "budget"))
        stop_values = self._section_values(Stop, (*path, "stop")) if values.get("stop") is not None else None
        budget = self._section(Budget, (*path, "budget"), budget_values)
        stop = self._section(Stop, (*path, "stop"), stop_values) if stop_values is not None else None
        if len(self.problems) > before:
            return None
        return Stage(
            name=name, budget=budget, stop=stop, budget_values=budget_values or {}, stop_values=stop_values,
            selection_values=selection_values or {}, place=self.tree.place(path), **parts,
        )  # fmt: skip

    def _data(self, path: KeyPath) -> tuple[Component | None, dict[str, Any] | None]:
        """A dataset's own parameters and the selection's stand side by side under `data:`."""
        shared = parameters_of(Selection)
        made = self.component("dataset", path, ignore=shared)
        values = value_at(self.tree.values, path)
        chosen = {key: value for key, value in values.items() if key in shared} if isinstance(values, dict) else {}
        return made, self.parameters(shared, chosen, path, "data")

    def _slots(self, path: KeyPath, values: dict[str, Any]) -> dict[str, Component]:
        self.known_keys(values, MODEL_SLOTS, path, "slot", "model")
        made: dict[str, Component] = {}
        for slot in MODEL_SLOTS:
            if values.get(slot) is None:
                continue
            component = self.component("fusion" if slot == "fusion" else "encoder", (*path, slot), settings=SLOT_KEYS)
            if component is None:
                continue
            modality = getattr(component.entry.load(), "modality", slot)
            if slot != "fusion" and modality != slot:
                others = [entry.name for entry in self.plugins.registry if _reads(entry, slot)]
                self.problem(
                    (*path, slot),
                    f"encoder '{component.name}' reads {modality}, not {slot}. others: {', '.join(others)}",
                )
                continue
            made[slot] = component
        return made

    def _section_values(self, section: Callable[..., Any], path: KeyPath) -> dict[str, Any] | None:
        values = value_at(self.tree.values, path)
        if not isinstance(values, dict):
            self.problem(path, f"expected a mapping with some of {', '.join(parameters_of(section))}; found {values!r}")
            return None
        return self.parameters(parameters_of(section), values, path, str(path[-1]))

    def _section(self, section: Callable[..., Any], path: KeyPath, values: dict[str, Any] | None) -> Any:
        if values is None:
            return None
        try:
            return section(**values)
        except ConfigError as error:
            for problem in error.problems:
                self.problem(path, problem)
            return None

    def _typed(self, path: KeyPath, annotation: Any, default: Any = None, required: bool = False) -> Any:
        value = value_at(self.tree.values, path)
        if value is None:
            if required:
                self.problem(path, f"an experiment needs '{spell_path(path)}' ({spell(annotation)})")
            return default
        if annotation is str and isinstance(value, int):
            value = str(value)
        return self.converted(value, annotation, path)


def _reads(entry: Entry, modality: str) -> bool:
    """Whether this is an encoder of images, or of texts; one that cannot be loaded is none to advise."""
    try:
        return entry.kind == "encoder" and getattr(entry.load(), "modality", modality) == modality
    except (PluginBroken, PackageMissing):
        return False

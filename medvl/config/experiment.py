"""From a tree of values to an experiment: every name resolved, every parameter typed, every default filled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from medvl.config.merge import MODEL_SLOTS, ROOT_KEYS, STAGE_KEYS, apply_override, load_tree
from medvl.config.schema import Mismatch, Parameter, convert, handed_to, parameters_of, spell
from medvl.config.sections import Budget, Stop
from medvl.config.source import KeyPath, Tree, resolve_references, spell_path, value_at
from medvl.data.selection import Selection
from medvl.errors import ConfigError, MedvlError, UnknownName, unknown
from medvl.plugins import Plugins
from medvl.registry import Entry

REQUIRED_STAGE_KEYS = ("data", "model", "objective", "optim", "budget")


@dataclass
class Component:
    """A named component with typed parameters, ready to be built.

    Attributes:
        entry: its place in the registry.
        parameters: all of them, defaults included; nested components are `Component`s.
        place: `file:line key`, the beginning of every message about it.
        init: for a model slot, where its weights start: `STAGE.EXPORT`, or a weights file.
    """

    entry: Entry
    parameters: dict[str, Any]
    place: str
    init: str | None = None

    @property
    def name(self) -> str:
        """The registered name."""
        return self.entry.name

    def build(self, **handed: Any) -> Any:
        """Construct it with what the framework hands over; nested components are built first.

        Raises:
            ConfigError: its parameters do not go together; the message begins with its place.
            Exception: whatever a plugin raises, with a note that says where it came from.
        """
        target = self.entry.load()
        parameters = {name: _built(value, handed) for name, value in self.parameters.items()}
        if self.entry.kind == "mask":  # a scheme is the function itself; the layout comes with every batch
            return partial(target, **parameters)
        takes = handed_to(target)
        strange = [name for name in takes if name not in handed]
        if strange:
            raise TypeError(
                f"{self.entry.kind} '{self.name}' ({self.entry.place}) asks the framework for {', '.join(strange)}; "
                f"what it hands to this kind: {', '.join(handed) or 'nothing'}. "
                "parameters of the YAML stand behind a `*` in the constructor"
            )
        try:
            return target(*(handed[name] for name in takes), **parameters)
        except ConfigError as error:
            raise ConfigError([f"{self.place}: {problem}" for problem in error.problems]) from error
        except MedvlError:
            raise
        except Exception as error:
            error.add_note(
                f"while building {self.entry.kind} '{self.name}' of plugin '{self.entry.plugin}' ({self.place})"
            )
            raise

    def plain(self) -> dict[str, Any]:
        """Plain values for YAML, JSON and hashing."""
        init = {} if self.init is None else {"init": self.init}
        return {"name": self.name, **{k: _plain(v) for k, v in self.parameters.items()}, **init}


@dataclass
class Stage:
    """One stage of an experiment."""

    name: str
    data: Component
    selection: Selection
    selection_values: dict[str, Any]
    views: dict[str, Component]
    slots: dict[str, Component]  # of image, text, fusion
    objective: Component
    optim: Component
    budget: Budget
    budget_values: dict[str, Any]
    stop: Stop | None
    stop_values: dict[str, Any] | None
    evaluate: list[Component]
    place: str

    def plain(self) -> dict[str, Any]:
        """Plain values for YAML, JSON and hashing, all defaults included."""
        values: dict[str, Any] = {
            "data": self.data.plain() | _plain(self.selection_values),
            "views": {name: view.plain() for name, view in self.views.items()},
            "model": {name: slot.plain() for name, slot in self.slots.items()},
            "objective": self.objective.plain(),
            "optim": self.optim.plain(),
            "budget": self.budget_values,
        }
        if self.stop_values is not None:
            values["stop"] = self.stop_values
        if self.evaluate:
            values["evaluate"] = [evaluator.plain() for evaluator in self.evaluate]
        return values


@dataclass
class Experiment:
    """A whole experiment, typed; nothing has been built and no data has been read."""

    name: str
    seed: int
    stages: dict[str, Stage]
    tree: Tree
    runs: Path
    device: str = "auto"
    devices: int = 1
    precision: str = "auto"
    compile: bool = False
    plugins: tuple[str, ...] = ()
    assume: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """The resolved experiment as plain values: what `medvl show` prints and a run keeps."""
        values: dict[str, Any] = {"medvl": 1, "name": self.name, "seed": self.seed}
        if self.plugins:
            values["plugins"] = list(self.plugins)
        values |= {"device": self.device, "devices": self.devices, "precision": self.precision, "compile": self.compile}
        values |= {key: value for key in ("assume", "report") if (value := getattr(self, key))}
        return values | {"stages": {name: stage.plain() for name, stage in self.stages.items()}}


def read_tree(path: Path, overrides: tuple[str, ...] = ()) -> Tree:
    """The experiment's values: the file, what it extends, the overrides in order, references filled in.

    Raises:
        ConfigError: with file and line.
    """
    tree = load_tree(path)
    for text in overrides:
        apply_override(tree, text)
    tree.values = resolve_references(tree)
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


class _Resolver:
    """Walks the tree, collecting problems instead of stopping at the first."""

    def __init__(self, tree: Tree, plugins: Plugins) -> None:
        self.tree, self.plugins = tree, plugins
        self.problems: list[str] = []

    def experiment(self) -> Experiment:
        values = self.tree.values
        self._known_keys(values, ROOT_KEYS, (), "key", "an experiment")
        self._version()
        name = self._typed(("name",), str, required=True)
        if isinstance(name, str):
            self._folder_name(("name",), name)
        stages = values.get("stages")
        if not isinstance(stages, dict) or not stages:
            self._problem(("stages",), "an experiment has at least one stage, stages: {NAME: {...}}")
            stages = {}
        made = {key: self._stage(key, stage) for key, stage in stages.items() if stage is not None}
        settings = {
            "seed": self._typed(("seed",), int, 0),
            "runs": self._typed(("runs",), Path, Path.cwd() / "runs"),
            "device": self._typed(("device",), str, "auto"),
            "devices": self._typed(("devices",), int, 1),
            "precision": self._typed(("precision",), str, "auto"),
            "compile": self._typed(("compile",), bool, False),
            "assume": self._typed(("assume",), dict[str, Any], {}),
            "report": self._typed(("report",), dict[str, Any], {}),
        }
        for key, choices in (("device", ("auto", "cpu", "cuda", "mps")), ("precision", ("auto", "32", "bf16"))):
            if str(settings[key]) not in choices:
                self._problem((key,), f"unknown {key} '{settings[key]}'. known: {', '.join(choices)}")
        if self.problems:
            raise ConfigError(self.problems)
        plugins = tuple(str(item) for item in values.get("plugins") or ())
        return Experiment(
            name=name, stages={k: s for k, s in made.items() if s}, tree=self.tree, plugins=plugins, **settings
        )

    def _folder_name(self, path: KeyPath, name: str) -> None:
        if not name or any(character in name for character in '/\\:*?"<>|') or name.startswith("."):
            self._problem(path, f"'{name}' cannot be a folder's name: leave out / \\ : * ? and a leading dot")

    def _version(self) -> None:
        version = self.tree.values.get("medvl", 1)
        if version != 1:
            self._problem(("medvl",), f"this medvl reads experiments of version 1, found {version!r}")

    def _stage(self, name: str, values: Any) -> Stage | None:
        path: KeyPath = ("stages", name)
        if not isinstance(name, str):
            self._problem(path, f"a stage's name is text, found {name!r}")
            return None
        self._folder_name(path, name)
        if name in (*ROOT_KEYS, *STAGE_KEYS, *MODEL_SLOTS):
            self._problem(path, f"'{name}' is a key of experiments; give the stage a name of its own, e.g. finetune")
        if not isinstance(values, dict):
            self._problem(path, f"a stage is a mapping with {', '.join(STAGE_KEYS)}; found {values!r}")
            return None
        before = len(self.problems)
        self._known_keys(values, STAGE_KEYS, path, "key", "a stage")
        for key in REQUIRED_STAGE_KEYS:
            if values.get(key) is None:
                self._problem(path, f"stage '{name}' needs '{key}'")
        if not isinstance(values.get("model", {}), dict):
            self._problem((*path, "model"), f"model is a mapping with some of {', '.join(MODEL_SLOTS)}")
        if len(self.problems) > before:
            return None
        data, selection_values = self._data((*path, "data"))
        parts = {
            "data": data,
            "selection": self._section(Selection, (*path, "data"), selection_values),
            "views": self._mapping("view", (*path, "views"), values.get("views") or {}),
            "slots": self._slots((*path, "model"), values["model"]),
            "objective": self.component("objective", (*path, "objective")),
            "optim": self.component("optimizer", (*path, "optim")),
            "evaluate": self._list("evaluator", (*path, "evaluate"), values.get("evaluate") or []),
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
        return made, self._parameters(shared, chosen, path, "data")

    def _slots(self, path: KeyPath, values: dict[str, Any]) -> dict[str, Component]:
        self._known_keys(values, MODEL_SLOTS, path, "slot", "model")
        made: dict[str, Component] = {}
        for slot in MODEL_SLOTS:
            if values.get(slot) is None:
                continue
            component = self.component("fusion" if slot == "fusion" else "encoder", (*path, slot), slot=True)
            if component is None:
                continue
            modality = getattr(component.entry.load(), "modality", slot)
            if slot != "fusion" and modality != slot:
                others = [name for name in self.plugins.registry.names("encoder") if name != component.name]
                self._problem(
                    (*path, slot),
                    f"encoder '{component.name}' reads {modality}, not {slot}. others: {', '.join(others)}",
                )
                continue
            made[slot] = component
        return made

    def component(
        self, kind: str, path: KeyPath, ignore: dict[str, Parameter] | None = None, slot: bool = False
    ) -> Component | None:
        """The component at a key path: `name`, or a mapping with `name` and parameters."""
        values = value_at(self.tree.values, path)
        if isinstance(values, str):
            values = {"name": values}
        if not isinstance(values, dict) or not isinstance(values.get("name"), str):
            known = ", ".join(self.plugins.registry.names(kind))
            self._problem(path, f"expected {_a(kind)}: a name, or a mapping with name and parameters. known: {known}")
            return None
        try:
            entry = self.plugins.get(kind, values["name"])
        except UnknownName as error:
            self._problem((*path, "name"), str(error))
            return None
        given = {k: v for k, v in values.items() if k != "name" and k not in (ignore or {})}
        init = given.pop("init", None) if slot else None
        if init is not None and not isinstance(init, str):
            self._problem(
                (*path, "init"), f"expected STAGE.EXPORT (e.g. pretrain.image) or a weights file, found {init!r}"
            )
            return None
        schema = parameters_of(entry.load())
        clash = set(schema) & set(ignore or {})
        if clash:
            raise TypeError(
                f"{kind} '{entry.name}' ({entry.place}) has parameters that `data:` keeps for all: {sorted(clash)}"
            )
        parameters = self._parameters(
            schema, given, path, f"{kind} '{entry.name}'", (*(ignore or ()), *(("init",) if slot else ()))
        )
        if parameters is None:
            return None
        if init is not None and init.startswith((".", "~")):
            init = str((self.tree.origin((*path, "init")).folder / Path(init).expanduser()).resolve())
        return Component(entry, parameters, self.tree.place(path), init)

    def _parameters(
        self, schema: dict[str, Parameter], given: dict[str, Any], path: KeyPath, owner: str, also: tuple[str, ...] = ()
    ) -> dict[str, Any] | None:
        before = len(self.problems)
        made: dict[str, Any] = {}
        for key in given:
            if key not in schema:
                self._problem((*path, key), unknown("parameter", str(key), [*schema, *also], of=owner))
        for key, parameter in schema.items():
            here = (*path, key)
            if key not in given and parameter.required:
                self._problem(path, f"{owner} needs '{key}' ({spell(parameter.annotation)})")
            elif parameter.slot is not None:
                made[key] = self._nested(parameter, here, given.get(key, parameter.default), key in given)
            elif key not in given:
                made[key] = parameter.default
            else:
                made[key] = self._converted(given[key], parameter.annotation, here)
        return made if len(self.problems) == before else None

    def _nested(self, parameter: Parameter, path: KeyPath, value: Any, given: bool) -> Any:
        assert parameter.slot is not None
        kind = parameter.slot.kind
        if parameter.holds_many:
            return self._mapping(kind, path, value if isinstance(value, dict) else {})
        if value is None and (not given or parameter.optional):
            return None
        if given:
            return self.component(kind, path)
        entry = self.plugins.get(kind, value)  # a default names a component
        schema = parameters_of(entry.load())
        return Component(entry, self._parameters(schema, {}, path, f"{kind} '{value}'") or {}, self.tree.place(path))

    def _mapping(self, kind: str, path: KeyPath, values: Any) -> dict[str, Component]:
        if not isinstance(values, dict):
            self._problem(path, f"expected a mapping of names to {_a(kind)} each, found {values!r}")
            return {}
        made = {key: self.component(kind, (*path, key)) for key, value in values.items() if value is not None}
        return {key: component for key, component in made.items() if component is not None}

    def _list(self, kind: str, path: KeyPath, values: Any) -> list[Component]:
        if not isinstance(values, list):
            self._problem(path, f"expected a list of {kind}s, found {values!r}")
            return []
        made = [self.component(kind, (*path, index)) for index in range(len(values))]
        return [component for component in made if component is not None]

    def _section_values(self, section: Callable[..., Any], path: KeyPath) -> dict[str, Any] | None:
        values = value_at(self.tree.values, path)
        if not isinstance(values, dict):
            self._problem(
                path, f"expected a mapping with some of {', '.join(parameters_of(section))}; found {values!r}"
            )
            return None
        return self._parameters(parameters_of(section), values, path, str(path[-1]))

    def _section(self, section: Callable[..., Any], path: KeyPath, values: dict[str, Any] | None) -> Any:
        if values is None:
            return None
        try:
            return section(**values)
        except ConfigError as error:
            for problem in error.problems:
                self._problem(path, problem)
            return None

    def _typed(self, path: KeyPath, annotation: Any, default: Any = None, required: bool = False) -> Any:
        value = value_at(self.tree.values, path)
        if value is None:
            if required:
                self._problem(path, f"an experiment needs '{spell_path(path)}' ({spell(annotation)})")
            return default
        if annotation is str and isinstance(value, int):
            value = str(value)
        return self._converted(value, annotation, path)

    def _converted(self, value: Any, annotation: Any, path: KeyPath) -> Any:
        try:
            return convert(value, annotation, self._folder(path))
        except Mismatch as error:
            self._problem(path, f"{error}, found {value!r}")
            return None

    def _folder(self, path: KeyPath) -> Path:
        """Where a relative path in this value starts: in `data:` at `data_root` if given, else at the YAML's folder."""
        root = self.tree.values.get("data_root")
        if root is not None and path[2:3] == ("data",):
            return (self.tree.origin(("data_root",)).folder / str(root)).resolve()
        return self.tree.origin(path).folder

    def _known_keys(self, values: dict[str, Any], known: tuple[str, ...], path: KeyPath, what: str, of: str) -> None:
        for key in values:
            if key not in known:
                self._problem((*path, key), unknown(what, str(key), known, of))

    def _problem(self, path: KeyPath, text: str) -> None:
        self.problems.append(f"{self.tree.place(path)}: {text}")


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _built(value: Any, handed: dict[str, Any]) -> Any:
    if isinstance(value, Component):
        return value.build(**handed)
    if isinstance(value, dict) and any(isinstance(v, Component) for v in value.values()):
        return {key: component.build(**handed) for key, component in value.items()}
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return value.plain()
    if isinstance(value, dict):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value

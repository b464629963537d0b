"""Reading components out of a tree of values: names against the registry, parameters against signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medvl.config.component import Component, Frozen
from medvl.config.schema import Mismatch, Parameter, convert, expanded, parameters_of, spell
from medvl.config.source import KeyPath, Tree, value_at
from medvl.errors import UnknownName, unknown
from medvl.plugins import Plugins

# what every model slot, and every objective, takes beside its component's parameters
SLOT_KEYS = ("init", "lr_scale", "frozen")
OBJECTIVE_KEYS = ("init",)
FROZEN: dict[Any, Frozen] = {None: False, False: False, True: True, "weights": "weights"}


class ComponentReader:
    """Reads components and parameters out of a tree, collecting problems instead of stopping at the first."""

    def __init__(self, tree: Tree, plugins: Plugins) -> None:
        self.tree, self.plugins = tree, plugins
        self.problems: list[str] = []

    def component(
        self, kind: str, path: KeyPath, ignore: dict[str, Parameter] | None = None, settings: tuple[str, ...] = ()
    ) -> Component | None:
        """The component at a key path: `name`, or a mapping with `name` and parameters.

        Args:
            kind: of the registry.
            path: of the component.
            ignore: keys there that are somebody else's parameters.
            settings: keys there that are no parameters: `SLOT_KEYS`, `OBJECTIVE_KEYS`.
        """
        values = value_at(self.tree.values, path)
        if isinstance(values, str):
            values = {"name": values}
        if not isinstance(values, dict) or not isinstance(values.get("name"), str):
            known = ", ".join(self.plugins.registry.names(kind))
            self.problem(path, f"expected {_a(kind)}: a name, or a mapping with name and parameters. known: {known}")
            return None
        try:
            entry = self.plugins.get(kind, values["name"])
        except UnknownName as error:
            self.problem((*path, "name"), str(error))
            return None
        given = {k: v for k, v in values.items() if k != "name" and k not in (ignore or {})}
        set_here = self._settings(path, {key: given.pop(key) for key in settings if key in given})
        schema = parameters_of(entry.load())
        clash = set(schema) & set(ignore or {})
        if clash:
            raise TypeError(
                f"{kind} '{entry.name}' ({entry.place}) has parameters that `data:` keeps for all: {sorted(clash)}"
            )
        parameters = self.parameters(schema, given, path, f"{kind} '{entry.name}'", (*(ignore or ()), *settings))
        if parameters is None or set_here is None:
            return None
        return Component(entry, parameters, self.tree.place(path), **set_here)

    def _settings(self, path: KeyPath, given: dict[str, Any]) -> dict[str, Any] | None:
        """What stands beside a component's parameters, checked; None where something is wrong."""
        init, scale, frozen = given.get("init"), given.get("lr_scale"), given.get("frozen")
        before = len(self.problems)
        if init is not None and not isinstance(init, str):
            wanted = (
                "STAGE or STAGE.TERM"
                if path[-1] == "objective"
                else "STAGE.EXPORT (e.g. pretrain.image) or a weights file"
            )
            self.problem((*path, "init"), f"expected {wanted}, found {init!r}")
        if isinstance(scale, bool) or not isinstance(scale, int | float | None) or (scale is not None and scale <= 0):
            self.problem((*path, "lr_scale"), f"expected a factor above 0 of the learning rate, found {scale!r}")
        if not isinstance(frozen, bool | str | None) or frozen not in FROZEN:
            self.problem((*path, "frozen"), f"expected false, true or weights, found {frozen!r}")
        elif frozen and scale is not None:
            self.problem(
                (*path, "lr_scale"), "what is frozen has no learning rate. do: set lr_scale to null, or remove frozen"
            )
        if len(self.problems) > before:
            return None
        if init is not None and init.startswith((".", "~")):
            try:
                init = str((self.tree.origin((*path, "init")).folder / expanded(init)).resolve())
            except Mismatch as error:
                self.problem((*path, "init"), f"{error}, found {init!r}")
                return None
        return {"init": init, "lr_scale": 1.0 if scale is None else float(scale), "frozen": FROZEN[frozen]}

    def parameters(
        self, schema: dict[str, Parameter], given: dict[str, Any], path: KeyPath, owner: str, also: tuple[str, ...] = ()
    ) -> dict[str, Any] | None:
        """Typed values of a schema, defaults filled in; None where there was a problem."""
        before = len(self.problems)
        made: dict[str, Any] = {}
        for key in given:
            if key not in schema:
                self.problem((*path, key), unknown("parameter", str(key), [*schema, *also], of=owner))
        for key, parameter in schema.items():
            here = (*path, key)
            if key not in given and parameter.required:
                self.problem(path, f"{owner} needs '{key}' ({spell(parameter.annotation)})")
            elif parameter.slot is not None:
                made[key] = self.nested(parameter, here, given.get(key, parameter.default), key in given)
            elif key not in given:
                made[key] = parameter.default
            else:
                made[key] = self.converted(given[key], parameter.annotation, here)
        return made if len(self.problems) == before else None

    def nested(self, parameter: Parameter, path: KeyPath, value: Any, given: bool) -> Any:
        """The component, or mapping of components, in a parameter that is a slot."""
        assert parameter.slot is not None
        kind = parameter.slot.kind
        if parameter.holds_many:
            return self.mapping(kind, path, value if isinstance(value, dict) else {})
        if value is None and (not given or parameter.optional):
            return None
        if given:
            return self.component(kind, path)
        entry = self.plugins.get(kind, value)  # a default names a component
        schema = parameters_of(entry.load())
        return Component(entry, self.parameters(schema, {}, path, f"{kind} '{value}'") or {}, self.tree.place(path))

    def mapping(self, kind: str, path: KeyPath, values: Any) -> dict[str, Component]:
        """Components of one kind by name; a null takes a name away."""
        if not isinstance(values, dict):
            self.problem(path, f"expected a mapping of names to {_a(kind)} each, found {values!r}")
            return {}
        made = {key: self.component(kind, (*path, key)) for key, value in values.items() if value is not None}
        return {key: component for key, component in made.items() if component is not None}

    def sequence(self, kind: str, path: KeyPath, values: Any) -> list[Component]:
        """Components of one kind in order."""
        if not isinstance(values, list):
            self.problem(path, f"expected a list of {kind}s, found {values!r}")
            return []
        made = [self.component(kind, (*path, index)) for index in range(len(values))]
        return [component for component in made if component is not None]

    def converted(self, value: Any, annotation: Any, path: KeyPath) -> Any:
        """A value as the annotated type; None where it is of another."""
        try:
            return convert(value, annotation, self.folder(path))
        except Mismatch as error:
            self.problem(path, f"{error}, found {value!r}")
            return None

    def folder(self, path: KeyPath) -> Path:
        """Where a relative path in this value starts: in `data:` at `data_root` if given, else at the YAML's folder."""
        root = self.tree.values.get("data_root")
        if root is not None and path[2:3] == ("data",):
            return (self.tree.origin(("data_root",)).folder / str(root)).resolve()
        return self.tree.origin(path).folder

    def known_keys(self, values: dict[str, Any], known: tuple[str, ...], path: KeyPath, what: str, of: str) -> None:
        """A problem for every key that is not known."""
        for key in values:
            if key not in known:
                self.problem((*path, key), unknown(what, str(key), known, of))

    def problem(self, path: KeyPath, text: str) -> None:
        """Note a problem with the place of its key."""
        self.problems.append(f"{self.tree.place(path)}: {text}")


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"

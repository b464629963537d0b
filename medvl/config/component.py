"""A component as an experiment names it: resolved and typed, and not yet built."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from inspect import isclass
from pathlib import Path
from typing import Any, Literal

from medvl.config.schema import handed_to
from medvl.errors import ConfigError, MedvlError
from medvl.registry import Entry

Frozen = bool | Literal["weights"]


@dataclass
class Component:
    """A named component with typed parameters, ready to be built.

    Attributes:
        entry: its place in the registry.
        parameters: all of them, defaults included; nested components are `Component`s.
        place: `file:line key`, the beginning of every message about it.
        init: where its weights start: for a model slot `STAGE.EXPORT`, or a weights file; for an objective `STAGE`,
            or `STAGE.TERM` for one term of that stage's sum.
        lr_scale: for a model slot, what the stage's learning rate is multiplied by for its weights.
        frozen: for a model slot; True keeps every weight and buffer as it starts, without dropout, `weights` the
            weights alone: batch statistics go on moving, and dropout stays.
    """

    entry: Entry
    parameters: dict[str, Any]
    place: str
    init: str | None = None
    lr_scale: float = 1.0
    frozen: Frozen = False

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
        if self.entry.kind == "mask" and not isclass(target):  # the function itself; each batch brings its layout
            return partial(target, **parameters) if parameters else target
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
        settings = {"init": self.init, "lr_scale": self.lr_scale, "frozen": self.frozen}
        usual = {"init": None, "lr_scale": 1.0, "frozen": False}
        told = {key: value for key, value in settings.items() if value != usual[key]}
        return {"name": self.name, **{k: plain_values(v) for k, v in self.parameters.items()}, **told}


def _built(value: Any, handed: dict[str, Any]) -> Any:
    if isinstance(value, Component):
        return value.build(**handed)
    if isinstance(value, dict) and any(isinstance(v, Component) for v in value.values()):
        return {key: component.build(**handed) for key, component in value.items()}
    return value


def plain_values(value: Any) -> Any:
    """Components, paths and tuples as mappings, texts and lists: what YAML, JSON and hashes take."""
    if isinstance(value, Component):
        return value.plain()
    if isinstance(value, dict):
        return {str(key): plain_values(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(v) for v in value]
    return str(value) if isinstance(value, Path) else value

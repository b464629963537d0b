"""An experiment and its stages: every name resolved, every parameter typed, every default filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medvl.config.component import Component, plain_values
from medvl.config.sections import Budget, Stop
from medvl.config.source import Tree
from medvl.data.selection import Selection


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
    optim: Component | None  # None where nothing is trained
    budget: Budget
    budget_values: dict[str, Any]
    stop: Stop | None
    stop_values: dict[str, Any] | None
    evaluate: list[Component]
    place: str
    seed: int | None = None  # None for the experiment's

    def plain(self) -> dict[str, Any]:
        """Plain values for YAML, JSON and hashing, all defaults included."""
        values: dict[str, Any] = {} if self.seed is None else {"seed": self.seed}
        values |= {
            "data": self.data.plain() | plain_values(self.selection_values),
            "views": {name: view.plain() for name, view in self.views.items()},
            "model": {name: slot.plain() for name, slot in self.slots.items()},
            "objective": self.objective.plain(),
        }
        if self.optim is not None:
            values["optim"] = self.optim.plain()
        values["budget"] = self.budget_values
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
    smoke: bool = False  # made tiny by `medvl.config.smoke`
    plugins: tuple[str, ...] = ()
    assume: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """The resolved experiment as plain values: what `medvl show` prints and a run keeps."""
        values: dict[str, Any] = {"medvl": 1, "name": self.name, "seed": self.seed}
        if self.plugins:
            values["plugins"] = list(self.plugins)
        values |= {"device": self.device, "devices": self.devices, "precision": self.precision, "compile": self.compile}
        values |= {"smoke": True} if self.smoke else {}
        values |= {key: value for key in ("assume", "report") if (value := getattr(self, key))}
        return values | {"stages": {name: stage.plain() for name, stage in self.stages.items()}}

"""What can go into a model slot: every registered component is tried on the meta device."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

from medvl.config.merge import put
from medvl.config.resolve import resolve
from medvl.config.source import Origin, Tree
from medvl.engine.check import check_experiment
from medvl.errors import ConfigError, MedvlError
from medvl.plugins import Plugins


@dataclass(frozen=True)
class Fit:
    """One candidate; `reason` says why it does not fit, and is empty where it does."""

    name: str
    reason: str = ""


def candidates(tree: Tree, plugins: Plugins, stage: str, slot: str) -> Iterator[Fit]:
    """Every encoder of the slot's modality, or every fusion, put into `stages.STAGE.model.SLOT` with its defaults.

    Where a candidate needs parameters of its own, its first problem says so.
    """
    kind = "fusion" if slot == "fusion" else "encoder"
    for name in plugins.registry.names(kind):
        try:
            if kind == "encoder" and getattr(plugins.get(kind, name).load(), "modality", slot) != slot:
                continue
        except MedvlError as error:
            yield Fit(name, str(error))
            continue
        trial = deepcopy(tree)
        old = trial.values["stages"][stage]["model"].get(slot)
        if not (isinstance(old, dict) and old.get("name") == name) and old != name:
            origin = Origin(f"{slot}={name}", tree.origin(("stages", stage)).folder)
            put(trial, ("stages", stage, "model", slot), {"name": name}, origin)
        try:
            check_experiment(resolve(trial, plugins))
            yield Fit(name)
        except ConfigError as error:
            yield Fit(name, error.problems[0])
        except Exception as error:  # shapes that do not meet, or a plugin's defect: one candidate's, not the list's
            yield Fit(name, f"{type(error).__name__}: {error}")

"""Where one value of an experiment came from."""

from __future__ import annotations

from typing import Any

from medvl.config.component import Component
from medvl.config.experiment import Experiment
from medvl.config.merge import MODEL_SLOTS
from medvl.config.source import KeyPath, Origin, spell_path, value_at
from medvl.errors import ConfigError, nearest


def explain(experiment: Experiment, key: str) -> list[str]:
    """Lines: the key's value, then everything that wrote it, the last one first; or the default's place.

    Raises:
        ConfigError: no such key; the message gives the nearest.
    """
    plain = experiment.plain()
    path = _find(plain, key)
    lines = [f"{spell_path(path)} = {value_at(plain, path)!r}"]
    written = experiment.tree.history.get(path) or _bare(experiment, path)
    for index, (value, origin) in enumerate(reversed(written)):
        lines.append(f"  {'set' if index == 0 else 'was'} {value!r} at {origin.text}")
    if not written:
        lines.append(f"  default of {_owner(experiment, path)}")
    return lines


def _find(plain: dict[str, Any], key: str) -> KeyPath:
    parts = [int(p) if p.isdigit() else p for p in key.replace("[", ".").replace("]", "").split(".") if p]
    stages = list(plain["stages"])
    candidates: list[KeyPath] = [tuple(parts)]
    if parts and parts[0] in stages:
        candidates.append(("stages", *parts))
        if len(parts) > 1 and parts[1] in MODEL_SLOTS:
            candidates.append(("stages", parts[0], "model", *parts[1:]))
    for path in candidates:
        if (path[:-1] and path[-1] in _keys(value_at(plain, path[:-1]))) or (len(path) == 1 and path[0] in plain):
            return path
    every = [spell_path(path).removeprefix("stages.") for path in _paths(plain, ())]
    raise ConfigError(f"--why {key}: no such key.{nearest(key, every)} `medvl show` without --why prints them all")


def _bare(experiment: Experiment, path: KeyPath) -> list[tuple[Any, Origin]]:
    """What was written in place of a mapping: `fusion: concat` is the name of `fusion: {name: concat}`."""
    short = path[-1] in ("name", "policy")
    return [found for found in experiment.tree.history.get(path[:-1], []) if short and isinstance(found[0], str)]


def _keys(values: Any) -> list[Any]:
    if isinstance(values, dict):
        return list(values)
    return list(range(len(values))) if isinstance(values, list) else []


def _paths(values: Any, path: KeyPath) -> list[KeyPath]:
    below = [found for key in _keys(values) for found in _paths(values[key], (*path, key))]
    return ([path] if path else []) + below


def _owner(experiment: Experiment, path: KeyPath) -> str:
    """The component whose signature holds the default."""
    if len(path) < 3 or path[0] != "stages":
        return "an experiment"
    stage = experiment.stages[str(path[1])]
    parts: dict[str, Any] = {"data": stage.data, "objective": stage.objective, "optim": stage.optim}
    found: Any = parts.get(str(path[2]))
    if path[2] in ("views", "model") and len(path) > 3:
        found = (stage.views if path[2] == "views" else stage.slots).get(str(path[3]))
    if path[2] == "evaluate" and len(path) > 3:
        found = stage.evaluate[int(path[3])]
    if isinstance(found, Component) and path[-1] in {**found.parameters, "name": 0}:
        return f"{found.entry.kind} '{found.name}' ({found.entry.place})"
    return f"'{path[2]}'"

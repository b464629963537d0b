"""`--smoke`: the same experiment made so small that it runs in seconds, with no data, no hub and no GPU.

It changes the plain values before they are resolved, so that everything behind them (resolving, checking, training,
evaluating) is what a full run goes through. How a component becomes small is declared by the component: its class
attribute `smoke` maps parameters to what they are in a smoke run. A number is a ceiling, a function is given the
written value, anything else is put as it is.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medvl.config.merge import MODEL_SLOTS, put, spread
from medvl.config.schema import Parameter, expanded, parameters_of
from medvl.config.source import KeyPath, Origin, Tree, value_at
from medvl.data.cache import cache_folder
from medvl.data.miniature import cached_miniature, writer_of
from medvl.data.selection import Selection
from medvl.errors import ConfigError, UnknownName
from medvl.plugins import Plugins

SIZE = 64  # most pixels of an image's side: four patches of 16, two cells of a ResNet's last map
PATIENTS = 40  # of a miniature
STEPS = 4
BATCH = 8
LEAST_FRACTION = 0.5  # of forty patients; less leaves no batch
NOTE = "smoke only: tiny stand-ins for data and weights, four steps; its numbers mean nothing"


def shrink(tree: Tree, plugins: Plugins) -> None:
    """Make every stage tiny, in place, and mark the experiment as `smoke: true`; runs lie under `runs/smoke`.

    - Data: a dataset with a miniature reads one, generated in the cache, by its own reader. `folder` reads a miniature
      with the columns that it names; the user's own files are not opened. The phantom gets few patients.
      `expect` is dropped; a label fraction below a half becomes a half.
    - Weights: none from a hub or a file; a text encoder becomes a small BERT, large image models their smallest sister.
    - Views of at most 64 pixels, batches of at most 8, four steps, and what components declare.

    Raises:
        ConfigError: a dataset has neither a miniature nor a `smoke` of its own.
        MedvlError: a plugin that is broken or missing.
    """
    _Shrinker(tree, plugins).experiment()


class _Shrinker:
    def __init__(self, tree: Tree, plugins: Plugins) -> None:
        self.tree, self.plugins = tree, plugins
        self.origin = Origin("--smoke", Path.cwd())

    def experiment(self) -> None:
        values = self.tree.values
        runs = values.get("runs")
        folder = self.tree.origin(("runs",)).folder / expanded(str(runs)) if runs is not None else Path.cwd() / "runs"
        if values.get("data_root") is not None:
            self.put(("data_root",), None)
        for key, value in (("smoke", True), ("runs", str(folder / "smoke")), ("devices", 1), ("compile", False)):
            if values.get(key) is not None or key in ("smoke", "runs"):
                self.put((key,), value)
        stages = values.get("stages")
        for name, stage in (stages if isinstance(stages, dict) else {}).items():
            if isinstance(stage, dict):  # what is wrong with another is the resolver's to say
                self.stage(("stages", name), stage)

    def stage(self, path: KeyPath, stage: dict[str, Any]) -> None:
        if stage.get("data") is not None:
            self.data((*path, "data"))
        self.views(path, stage)
        for slot, kind in zip(MODEL_SLOTS, ("encoder", "encoder", "fusion"), strict=True):
            self.component(kind, (*path, "model", slot))
            self.start((*path, "model", slot))
        self.component("objective", (*path, "objective"))
        self.schedule((*path, "optim", "schedule"))
        evaluators = stage.get("evaluate")
        for index in range(len(evaluators) if isinstance(evaluators, list) else 0):
            self.component("evaluator", (*path, "evaluate", index))
        if stage.get("budget") is not None:
            self.budget((*path, "budget"))

    def data(self, path: KeyPath) -> None:
        """A tiny dataset with the same reader, and the selection that still fits it."""
        spread(self.tree, path)
        name, target = self.found("dataset", path)
        if target is None:
            return
        written = value_at(self.tree.values, path)
        self.lower(target, path)
        if writer_of(target) is not None:
            self.miniature(name, target, path)
        elif not getattr(target, "smoke", None):
            raise ConfigError(
                f"{self.tree.place(path)}: dataset '{name}' has no miniature (`fake`) and says nothing of smoke runs "
                "(`smoke`), so --smoke cannot make it tiny. do: name another, data={name: phantom}"
            )
        if written.get("expect") is not None:
            self.put((*path, "expect"), None)
        fraction = written.get("fraction")
        if isinstance(fraction, int | float) and fraction < LEAST_FRACTION:
            self.put((*path, "fraction"), LEAST_FRACTION)

    def miniature(self, name: str, target: Any, path: KeyPath) -> None:
        """Generated files in place of the real ones; parameters that are no files stay as they are written."""
        written = value_at(self.tree.values, path)
        made = cached_miniature(name, target, cache_folder("smoke"), patients=PATIENTS, seed=0, like=written)
        shared = parameters_of(Selection)
        for key, parameter in parameters_of(target).items():
            if key in made:
                self.put((*path, key), made[key])
            elif written.get(key) is not None and _is_path(parameter):
                self.put((*path, key), None)
        for key in [key for key in made if key in shared and key not in written]:
            self.put((*path, key), made[key])
        self.put((*path, "max_bad"), 1.0)  # miniatures hold the official releases' bad files, too

    def views(self, path: KeyPath, stage: dict[str, Any]) -> None:
        """One small size for all views of the stage: whole patches of its image encoder."""
        views = stage.get("views")
        for view in views if isinstance(views, dict) else ():
            here = (*path, "views", view)
            self.component("view", here)
            _, target = self.found("view", here)
            known = parameters_of(target) if target is not None else {}
            if "size" in known:
                written = value_at(self.tree.values, (*here, "size")) or known["size"].default
                side = min(SIZE, written) if isinstance(written, int) else SIZE
                patch = self.patch((*path, "model", "image", "model"))
                self.put((*here, "size"), max(side // patch, 1) * patch)
            if value_at(self.tree.values, (*here, "source")) is not None:
                self.put((*here, "source"), None)

    def patch(self, path: KeyPath) -> int:
        """Side of the patches that the model's name tells, 1 where it tells none."""
        named = re.search(r"patch(\d+)", str(value_at(self.tree.values, path) or ""))
        return int(named[1]) if named else 1

    def start(self, path: KeyPath) -> None:
        """A weights file is not to be had; what an earlier stage exports is."""
        init = value_at(self.tree.values, (*path, "init")) if self.written(path) else None
        stages = self.tree.values["stages"]
        if isinstance(init, str) and init.partition(".")[0] not in stages:
            self.put((*path, "init"), None)

    def schedule(self, path: KeyPath) -> None:
        """A warm-up of at most one of the four steps."""
        values = value_at(self.tree.values, path)
        if isinstance(values, dict) and (values.get("warmup_steps") or values.get("warmup_epochs")):
            if values.get("warmup_epochs"):
                self.put((*path, "warmup_epochs"), 0.0)
            self.put((*path, "warmup_steps"), 1)

    def budget(self, path: KeyPath) -> None:
        written = value_at(self.tree.values, path) or {}
        if not isinstance(written, dict):
            return
        steps = written.get("steps")
        self.put((*path, "epochs"), None)
        self.put((*path, "steps"), min(steps, STEPS) if isinstance(steps, int) else STEPS)
        self.put((*path, "validate_every"), STEPS)
        for key, most, default in (("batch_size", BATCH, 32), ("accumulate", 2, 1)):
            asked = written.get(key, default)
            if isinstance(asked, int):
                self.put((*path, key), min(asked, most))

    def component(self, kind: str, path: KeyPath) -> None:
        """What a component declares for itself, and what its parts declare for themselves."""
        if not self.written(path):
            return
        _, target = self.found(kind, path)
        if target is None:
            return
        self.lower(target, path)
        for key, parameter in parameters_of(target).items():
            if parameter.slot is None:
                continue
            parts = value_at(self.tree.values, (*path, key))
            if parameter.holds_many and isinstance(parts, dict):
                for part in parts:
                    self.component(parameter.slot.kind, (*path, key, part))
            else:
                self.component(parameter.slot.kind, (*path, key))

    def lower(self, target: Any, path: KeyPath) -> None:
        """Put what the class declares in `smoke`."""
        declared: Mapping[str, Any] = getattr(target, "smoke", {})
        values = value_at(self.tree.values, path)
        given = values if isinstance(values, dict) else {}
        for key, parameter in parameters_of(target).items():
            if key in declared:
                old = given.get(key, parameter.default)
                new = _lowered(old, declared[key])
                if new != old:
                    self.put((*path, key), new)

    def found(self, kind: str, path: KeyPath) -> tuple[str, Any]:
        """A component's name and class; no class where the name is none, which the resolver will say."""
        values = value_at(self.tree.values, path)
        name = values.get("name") if isinstance(values, dict) else values
        if not isinstance(name, str):
            return "", None
        try:
            return name, self.plugins.get(kind, name).load()
        except UnknownName:
            return name, None

    def written(self, path: KeyPath) -> bool:
        return isinstance(value_at(self.tree.values, path), str | dict)

    def put(self, path: KeyPath, value: Any) -> None:
        put(self.tree, path, value, self.origin)


def _lowered(value: Any, declared: Any) -> Any:
    """`value` under what a component declares: a function of it, a ceiling, or another value."""
    if inspect.isroutine(declared):
        return declared(value)
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (value, declared))
    return min(value, declared) if numbers else declared


def _is_path(parameter: Parameter) -> bool:
    return "Path" in str(parameter.annotation)

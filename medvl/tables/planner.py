"""Checking many experiments that are mostly alike: each distinct stage once, each dataset's fingerprint once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from medvl.config.experiment import Experiment, Stage
from medvl.config.resolve import plugin_requests, resolve
from medvl.config.source import Tree
from medvl.data.dataset import Dataset
from medvl.engine.assemble import build_dataset
from medvl.engine.check import check_experiment, check_stage
from medvl.engine.hardware import settle
from medvl.engine.located import Located, locate
from medvl.engine.plan import Plan
from medvl.errors import ConfigError
from medvl.plugins import Plugins


class Planner:
    """Remembers what it has checked, so that a table of hundreds of cells, and a worker of it, does no work twice.

    Args:
        plugin_files: one-file plugins of the command line.
    """

    def __init__(self, plugin_files: tuple[str, ...] = ()) -> None:
        self._plugin_files = plugin_files
        self._plugins: dict[str, Plugins] = {}
        self._plans: dict[tuple[object, ...], Plan | ConfigError] = {}
        self._data: dict[str, tuple[Dataset, str]] = {}

    def plugins(self, tree: Tree) -> Plugins:
        """The plugins that a tree and the command line ask for.

        Raises:
            MedvlError: one is missing or broken.
        """
        files, required = plugin_requests(tree, self._plugin_files)
        key = json.dumps([list(map(str, files)), required])
        if key not in self._plugins:
            self._plugins[key] = Plugins(files, required)
        return self._plugins[key]

    def experiment(self, tree: Tree) -> Experiment:
        """The resolved experiment of a tree; the configuration that its runs keep finds one-file plugins again.

        Raises:
            MedvlError: what is wrong with it.
        """
        experiment = resolve(tree, self.plugins(tree))
        files, required = plugin_requests(tree, self._plugin_files)
        experiment.plugins = (*required, *map(str, files))
        return experiment

    def check(self, experiment: Experiment) -> dict[str, Plan]:
        """What `check_experiment` gives.

        Raises:
            ConfigError: all problems at once.
        """
        return check_experiment(experiment, self._check)

    def _check(self, stage: Stage, earlier: dict[str, Plan], refused: Sequence[str]) -> Plan:
        values = stage.plain()
        values.pop("seed", None)  # another seed or fraction of the same stage passes the same checks
        values["data"].pop("fraction", None)
        key = (stage.name, json.dumps(values, default=str), _starts(stage, earlier), tuple(refused))
        if key not in self._plans:
            try:
                self._plans[key] = check_stage(stage, earlier, refused)
            except ConfigError as error:
                self._plans[key] = error
        found = self._plans[key]
        if isinstance(found, ConfigError):
            raise found
        return replace(found, stage=stage)

    def dataset(self, stage: Stage) -> tuple[Dataset, str]:
        """A stage's dataset and its fingerprint.

        Raises:
            DataError: the fingerprint needs files that are not there.
        """
        key = json.dumps(stage.data.plain(), default=str)
        if key not in self._data:
            dataset = build_dataset(stage)
            self._data[key] = dataset, dataset.fingerprint()
        return self._data[key]

    def locate(self, experiment: Experiment, plans: dict[str, Plan]) -> dict[str, Located]:
        """Where each stage of a checked experiment stands.

        Raises:
            DataError: a dataset's files are not there.
        """
        _, precision = settle(experiment.device, experiment.precision)
        found: dict[str, Located] = {}
        for name, plan in plans.items():
            found[name] = locate(experiment, plan.stage, self.dataset(plan.stage)[1], found, precision)
        return found


def _starts(stage: Stage, earlier: Mapping[str, Plan]) -> str:
    """All that a check looks at in earlier stages: which there are, and the shapes of what this one starts from."""
    found: list[object] = [list(earlier)]
    for component in (*stage.slots.values(), stage.objective):
        parent, _, export = (component.init or "").partition(".")
        if parent in earlier:
            plan = earlier[parent]
            own = component is stage.objective
            found.append(plan.objective if own else plan.exports.get(export, sorted(plan.exports)))
    return json.dumps(found)

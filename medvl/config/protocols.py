"""Evaluation protocols: `protocol: linear_probe` in a stage stands for the values that the protocol fills in.

They are filled in on the plain tree, before anything is resolved, and only where the YAML says nothing: what it says
wins. `medvl show` prints the stages as they then are, and `--why KEY` names the protocol.

| protocol       | what it fills in                                                                                    |
|----------------|-----------------------------------------------------------------------------------------------------|
| `linear_probe` | the image slot of the pre-training stage with its weights, `frozen: true`; view `plain`; multilabel |
| `finetune`     | the same slot, free to learn; view `cxr_finetune`; multilabel                                       |
| `lp_ft`        | a stage NAME_lp, a linear probe; then NAME, fine-tuning from its weights and head (Kumar 2022)      |
| `zero_shot`    | image and text slots, the objective `zero_shot` of the stage's own; nothing is trained              |

Each also fills in `optim`, `budget`, the evaluator (multilabel on test), and where something is trained
`stop: {metric: val/auroc_macro}`. Settings stand beside `name`:

| setting   | of             | meaning                                                                           |
|-----------|----------------|-----------------------------------------------------------------------------------|
| `from`    | all            | the pre-training stage; else what the image's `init` names, else the stage before |
| `frozen`  | `linear_probe` | `weights` lets batch statistics move, as released code does                       |
| `lp`      | `lp_ft`        | a mapping of stage values for NAME_lp, e.g. `{budget: {epochs: 5}}`               |
| `prompts` | `zero_shot`    | see the objective `zero_shot`                                                     |
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from medvl.config.merge import lay_over, put, spread
from medvl.config.source import KeyPath, Origin, Tree, value_at
from medvl.errors import ConfigError, unknown

SETTINGS = {
    "linear_probe": ("from", "frozen"),
    "finetune": ("from",),
    "lp_ft": ("from", "lp"),
    "zero_shot": ("from", "prompts"),
}
EVALUATE = [{"name": "multilabel", "split": "test"}]
STOP = {"metric": "val/auroc_macro"}
PROBING: dict[str, dict[str, Any]] = {
    "optim": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.0},
    "budget": {"epochs": 50, "batch_size": 64},
}
TUNING: dict[str, dict[str, Any]] = {
    "optim": {"name": "adamw", "lr": 1e-4},
    "budget": {"epochs": 20, "batch_size": 32},
}
SHARED_WITH_PROBE = ("data", "model", "objective", "evaluate", "seed")  # of an lp_ft stage


def expand_protocols(tree: Tree) -> None:
    """Fill in what the stages' protocols stand for, in place; the key `protocol` goes.

    Raises:
        ConfigError: an unknown protocol or setting, or nothing to take the encoder from; with file and line.
    """
    stages = tree.values.get("stages")
    if not isinstance(stages, dict):
        return
    asked = [name for name, stage in stages.items() if isinstance(stage, dict) and stage.get("protocol") is not None]
    before: list[str] = []  # stages that no protocol made: where pre-training may be
    for name in list(stages):
        if name in asked:
            _Expansion(tree, name, before).run()
        elif isinstance(stages[name], dict):
            before.append(name)
            stages[name].pop("protocol", None)


class _Expansion:
    """One stage's protocol.

    Args:
        tree: changed in place.
        stage: has a protocol.
        before: earlier stages without one.
    """

    def __init__(self, tree: Tree, stage: str, before: list[str]) -> None:
        self.tree, self.stage, self.before = tree, stage, before
        path: KeyPath = ("stages", stage, "protocol")
        spread(tree, path)
        settings = value_at(tree.values, path)
        if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
            known = ", ".join(SETTINGS)
            raise ConfigError(
                f"{tree.place(path)}: expected a protocol: a name, or a mapping with name. known: {known}"
            )
        self.name: str = settings["name"]
        if self.name not in SETTINGS:
            raise ConfigError(f"{tree.place((*path, 'name'))}: {unknown('protocol', self.name, SETTINGS)}")
        for key in settings:
            if key not in ("name", *SETTINGS[self.name]):
                problem = unknown("setting", str(key), SETTINGS[self.name], of=f"protocol '{self.name}'")
                raise ConfigError(f"{tree.place((*path, key))}: {problem}")
        self.settings = settings
        self.place = tree.place(path)
        self.origin = Origin(f"protocol {self.name} ({tree.origin(path).text})", tree.origin(path).folder)

    def run(self) -> None:
        """Fill in, and take the key away."""
        source = self._source()
        if self.name == "lp_ft":
            self._probe_first(source)
        elif self.name == "linear_probe":
            self._probe(self.stage, source)
        elif self.name == "finetune":
            self._tune(source)
        else:
            self._zero_shot(source)
        del self.tree.values["stages"][self.stage]["protocol"]

    def _source(self) -> str | None:
        """The pre-training stage, or None where there is none and the stage says itself what its encoder is."""
        stages: dict[str, Any] = self.tree.values["stages"]
        earlier = [name for name in list(stages)[: list(stages).index(self.stage)] if isinstance(stages[name], dict)]
        named = self.settings.get("from")
        if named is not None:
            if named not in earlier:
                path = ("stages", self.stage, "protocol", "from")
                raise ConfigError(f"{self.tree.place(path)}: {unknown('earlier stage', str(named), earlier)}")
            return named
        init = value_at(stages[self.stage], ("model", "image", "init"))
        if isinstance(init, str) and init.partition(".")[0] in earlier:
            return init.partition(".")[0]
        given = value_at(stages[self.stage], ("model", "image")) is not None
        if len(self.before) == 1 or given:
            return self.before[0] if len(self.before) == 1 else None
        found = (
            f"several stages come before it ({', '.join(self.before)})" if self.before else "no stage comes before it"
        )
        raise ConfigError(
            f"{self.place}: where is the encoder of '{self.stage}' from? {found}. do: say from: STAGE, or give "
            "model.image"
        )

    def _probe(self, stage: str, source: str | None) -> None:
        self._start(stage, source, ("image",))
        frozen = self.settings.get("frozen", True)
        self._fill(("stages", stage, "model", "image"), {"frozen": frozen})
        self._fill(("stages", stage, "views"), {"image": {"name": "plain"} | self._size(source)})
        self._supervise(stage, PROBING)

    def _tune(self, source: str | None) -> None:
        self._start(self.stage, source, ("image",))
        self._fill(("stages", self.stage, "views"), {"image": {"name": "cxr_finetune"} | self._size(source)})
        self._supervise(self.stage, TUNING)

    def _probe_first(self, source: str | None) -> None:
        """A stage NAME_lp in front; this one begins where it ends, encoder and head."""
        stages, probe = self.tree.values["stages"], f"{self.stage}_lp"
        if probe in stages:
            raise ConfigError(
                f"{self.place}: it makes a stage '{probe}', and there is one. do: rename that, and write what belongs "
                "to the probe under lp: {...} of the protocol"
            )
        self.tree.values["stages"] = {
            name: value
            for old, stage in stages.items()
            for name, value in (((probe, {}),) if old == self.stage else ()) + ((old, stage),)
        }
        for key in SHARED_WITH_PROBE:
            if key in stages[self.stage]:
                self._copy(("stages", self.stage, key), ("stages", probe, key))
        image = value_at(self.tree.values, ("stages", probe, "model", "image"))
        if isinstance(image, dict):
            image.pop("lr_scale", None)  # it is of the fine-tuning
        if self.settings.get("lp") is not None:
            self._lay_over_probe(probe)
        self._probe(probe, source)
        self._tune(source)
        for slot in self.tree.values["stages"][probe]["model"]:
            if value_at(self.tree.values, ("stages", self.stage, "model", slot)) is not None:
                put(self.tree, ("stages", self.stage, "model", slot, "init"), f"{probe}.{slot}", self.origin)
        self._fill(("stages", self.stage, "objective"), {"init": probe})

    def _lay_over_probe(self, probe: str) -> None:
        path: KeyPath = ("stages", self.stage, "protocol", "lp")
        given = value_at(self.tree.values, path)
        if not isinstance(given, dict):
            raise ConfigError(f"{self.tree.place(path)}: expected a mapping of stage values, found {given!r}")
        history = {
            ("stages", probe, *below[len(path) :]): written
            for below, written in self.tree.history.items()
            if below[: len(path)] == path
        }
        lay_over(self.tree, Tree({"stages": {probe: deepcopy(given)}}, history), ("stages", probe))

    def _zero_shot(self, source: str | None) -> None:
        if source is None:
            raise ConfigError(
                f"{self.place}: it asks what a pre-training stage has learned. do: say which, from: STAGE"
            )
        pretrained = self.tree.values["stages"][source]
        self._start(self.stage, source, ("image", "text"))
        view = value_at(pretrained, ("views", "image")) or {"name": "plain"} | self._size(source)
        self._fill(("stages", self.stage, "views"), {"image": view})
        of = _long(pretrained.get("objective"))
        of.pop("init", None)
        prompts = {"prompts": self.settings["prompts"]} if self.settings.get("prompts") is not None else {}
        self._fill(("stages", self.stage, "objective"), {"name": "zero_shot", "of": of, **prompts, "init": source})
        self._fill_budget(self.stage, {"steps": 0})
        self._fill(("stages", self.stage, "evaluate"), EVALUATE)

    def _start(self, stage: str, source: str | None, slots: tuple[str, ...]) -> None:
        """The slots of the pre-training stage, with the weights that it ends with."""
        for slot in slots:
            if source is None:
                continue
            there: KeyPath = ("stages", source, "model", slot)
            given = _long(value_at(self.tree.values, there))
            if not given:
                raise ConfigError(f"{self.place}: stage '{source}' has no {slot} slot. do: say another, from: STAGE")
            component = {key: value for key, value in given.items() if key not in ("init", "lr_scale", "frozen")}
            origin = Origin(self.origin.text, self.tree.origin(there).folder)  # relative paths are the other stage's
            self._fill(("stages", stage, "model", slot), component | {"init": f"{source}.{slot}"}, origin)

    def _supervise(self, stage: str, usual: dict[str, dict[str, Any]]) -> None:
        self._fill(("stages", stage, "objective"), {"name": "multilabel"})
        self._fill(("stages", stage, "optim"), usual["optim"])
        self._fill_budget(stage, usual["budget"])
        self._fill(("stages", stage, "stop"), STOP)
        self._fill(("stages", stage, "evaluate"), EVALUATE)

    def _fill_budget(self, stage: str, budget: dict[str, Any]) -> None:
        given = value_at(self.tree.values, ("stages", stage, "budget")) or {}
        if isinstance(given, dict) and (given.get("epochs") is not None or given.get("steps") is not None):
            budget = {key: value for key, value in budget.items() if key not in ("epochs", "steps")}
        if budget:
            self._fill(("stages", stage, "budget"), budget)

    def _size(self, source: str | None) -> dict[str, Any]:
        """The side that the encoder was pre-trained at."""
        views = value_at(self.tree.values, ("stages", source, "views")) if source is not None else None
        sizes = [view["size"] for view in (views or {}).values() if isinstance(view, dict) and "size" in view]
        return {"size": sizes[0]} if sizes else {}

    def _fill(self, path: KeyPath, value: Any, origin: Origin | None = None) -> None:
        """Write what is not written; a component of another name keeps its own parameters alone."""
        origin = origin or self.origin
        parent = value_at(self.tree.values, path[:-1])
        if parent is None or (isinstance(parent, dict) and path[-1] not in parent):
            put(self.tree, path, deepcopy(value), origin)
        elif isinstance(value, dict):
            if "name" in value or "init" in value or "frozen" in value:
                spread(self.tree, path)
            old = value_at(self.tree.values, path)
            if isinstance(old, dict) and old.get("name") in (None, value.get("name", old.get("name"))):
                for key, part in value.items():
                    self._fill((*path, key), part, origin)

    def _copy(self, path: KeyPath, to: KeyPath) -> None:
        put(self.tree, to, deepcopy(value_at(self.tree.values, path)), self.tree.origin(path))
        for below, written in list(self.tree.history.items()):
            if below[: len(path)] == path:
                self.tree.history[(*to, *below[len(path) :])] = list(written)


def _long(component: Any) -> dict[str, Any]:
    """A component as a mapping of its own: `multilabel` is short for `{name: multilabel}`."""
    return {"name": component} if isinstance(component, str) else dict(component or {})

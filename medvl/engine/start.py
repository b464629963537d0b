"""Where weights start: an earlier stage's export, or a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from medvl.config.experiment import Stage
from medvl.data.texts import RowTexts
from medvl.engine.plan import Plan
from medvl.models.base import ImageEncoder, Model, TextEncoder
from medvl.models.tokenizer import Corpus
from medvl.models.weights import Coverage, load_weights, read_weights, save_weights, take_prefix
from medvl.objectives.base import Objective
from medvl.objectives.total import take_term
from medvl.runs.folder import ANSWERS, EXPORTS, OBJECTIVE, TOKENIZER


def parents_of(stage: Stage) -> list[str]:
    """Names of the stages that a stage starts from, by its YAML; files are not stages."""
    inits = [slot.init for slot in stage.slots.values() if slot.init is not None]
    named = {init.partition(".")[0] for init in inits if not Path(init).is_absolute() and not Path(init).is_file()}
    if stage.objective.init is not None:
        named.add(stage.objective.init.partition(".")[0])
    return sorted(named)


def corpus_for(plan: Plan, folder: Path, parents: Mapping[str, Path], texts: RowTexts | None) -> Corpus:
    """What the text encoder builds its tokenizer from: this run's own file, its parent's, or the training texts."""
    own = folder / TOKENIZER
    if own.is_file():
        return Corpus(tokenizer_file=own)
    text = plan.stage.slots.get("text")
    if text is not None and text.init is not None:
        parent = parents.get(text.init.partition(".")[0])
        if parent is not None:
            return Corpus(tokenizer_file=parent / EXPORTS / TOKENIZER)
    return Corpus(texts=None if texts is None else lambda: texts)


def answers_file(plan: Plan, parents: Mapping[str, Path]) -> Path | None:
    """The classes of answers of the stage whose objective this one starts from, where it has some."""
    init = plan.stage.objective.init
    path = None if init is None else parents[init.partition(".")[0]] / ANSWERS
    return path if path is not None and path.is_file() else None


def load_start(model: Model, plan: Plan, parents: Mapping[str, Path]) -> list[Coverage]:
    """Fill the slots that have an `init`; what covered what.

    Raises:
        WeightsError: too few tensors fit; says which.
    """
    coverages = []
    for slot in plan.slots:
        init = plan.stage.slots[slot].init
        module = getattr(model, slot)
        if init is None:
            continue
        parent, _, export = init.partition(".")
        if parent in parents:
            state = read_weights(parents[parent] / EXPORTS / f"{export}.safetensors")
            coverages.append(load_weights(module, state, source=init, expected=1.0, may_lack=may_lack(module)))
        else:
            state = take_prefix(read_weights(Path(init)), module, source=init)
            coverages.append(load_weights(module, state, source=init, may_lack=may_lack(module)))
    return coverages


def may_lack(module: nn.Module) -> frozenset[str]:
    """Names of a slot's tensors that its start may lack."""
    return module.may_lack if isinstance(module, ImageEncoder) else frozenset()


def load_objective(objective: Objective, plan: Plan, parents: Mapping[str, Path]) -> list[Coverage]:
    """Fill the objective where it has an `init`, `STAGE` or `STAGE.TERM`; what covered what.

    Raises:
        WeightsError: not every tensor fits; says which.
    """
    init = plan.stage.objective.init
    if init is None:
        return []
    parent, _, term = init.partition(".")
    state = read_weights(parents[parent] / EXPORTS / OBJECTIVE)
    source = f"{parent}'s objective"
    if term:
        state, source = take_term(state, term), f"{source}, term {term}"
    return [load_weights(objective.inherits(), state, source=source, expected=1.0)]


def save_exports(folder: Path, model: Model, objective: Objective, stage: Stage) -> list[Path]:
    """Write every export and the objective's own weights as safetensors, and the tokenizer beside them."""
    target = folder / EXPORTS
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name, module in objective.exports(model).items():
        component = stage.slots[name].plain() if name in stage.slots else stage.objective.plain()
        path = target / f"{name}.safetensors"
        # one entry: the order of several is not fixed, and equal weights should be equal files
        save_weights(module, path, {"medvl": json.dumps({"stage": stage.name, "component": component})})
        written.append(path)
        _save_files(module, target)
    save_weights(objective, target / OBJECTIVE, {"medvl": json.dumps({"stage": stage.name})})
    return [*written, target / OBJECTIVE]


def _save_files(module: nn.Module, folder: Path) -> None:
    if isinstance(module, TextEncoder):
        module.save_files(folder)

"""Where weights start, checked before there are any: earlier stages export them, and their shapes fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from medvl.config.component import Component
from medvl.config.experiment import Stage
from medvl.engine.plan import Plan
from medvl.engine.start import may_lack
from medvl.errors import ConfigError, nearest
from medvl.models.base import Model
from medvl.objectives.base import Objective
from medvl.objectives.total import take_term, terms_of


def check_slot_starts(
    stage: Stage, model: Model, used: tuple[str, ...], earlier: dict[str, Plan], refused: Sequence[str]
) -> None:
    """Whether each slot's `init` is there and fits.

    Raises:
        ConfigError: it is not, or does not.
    """
    for slot in used:
        component = stage.slots[slot]
        if component.init is None:
            continue
        parent, _, export = component.init.partition(".")
        if Path(component.init).suffix in (".safetensors", ".pt", ".pth", ".ckpt", ".bin"):
            if not Path(component.init).is_file():
                raise ConfigError(f"{component.place}.init: no such file: {component.init}")
            continue
        if parent in refused:
            continue
        if parent not in earlier:
            raise ConfigError(_no_such_stage(component, parent, earlier) + "; or give a .safetensors or .pt file")
        exports = earlier[parent].exports
        if export not in exports:
            raise ConfigError(
                f"{component.place}.init: stage '{parent}' does not export '{export}'.{nearest(export, exports)} "
                f"it exports: {', '.join(exports)}"
            )
        module = getattr(model, slot)
        new = may_lack(module) - exports[export].keys()
        wanted = {name: shape for name, shape in shapes_of(module).items() if name not in new}
        differing = _first_difference(exports[export], wanted)
        if differing:
            raise ConfigError(
                f"{component.place}.init: the weights of '{component.init}' do not fit this {slot}: {differing}. "
                f"give both stages the same encoder and parameters, or init: null"
            )


def check_objective_start(stage: Stage, objective: Objective, earlier: dict[str, Plan], refused: Sequence[str]) -> None:
    """Whether the objective's `init`, `STAGE` or `STAGE.TERM`, is there and fits.

    Raises:
        ConfigError: it is not, or does not.
    """
    component = stage.objective
    if component.init is None:
        return
    parent, _, term = component.init.partition(".")
    if parent in refused:
        return
    if parent not in earlier:
        raise ConfigError(_no_such_stage(component, parent, earlier))
    given = earlier[parent].objective
    terms = terms_of(given)
    if term:
        given = take_term(given, term)
        if not given:
            raise ConfigError(
                f"{component.place}.init: the objective of stage '{parent}' has no term '{term}' with weights."
                f"{nearest(term, terms)} its terms: {', '.join(terms) or 'none'}"
            )
    differing = _first_difference(given, shapes_of(objective.inherits()))
    if differing:
        several = f"write init: {parent}.TERM for that of a term ({', '.join(terms)}), " if terms and not term else ""
        raise ConfigError(
            f"{component.place}.init: the weights of the objective of '{component.init}' do not fit this one: "
            f"{differing}. {several}give both stages the same objective and labels, or init: null"
        )


def _no_such_stage(component: Component, parent: str, earlier: dict[str, Plan]) -> str:
    return (
        f"{component.place}.init: '{component.init}' names no earlier stage.{nearest(parent, earlier)} "
        f"earlier stages: {', '.join(earlier) or 'none'}"
    )


def _first_difference(given: dict[str, tuple[int, ...]], wanted: dict[str, tuple[int, ...]]) -> str:
    for name, shape in wanted.items():
        if name not in given:
            return f"it has no tensor '{name}'"
        if given[name] != shape:
            if "word_embeddings" in name or "tok_embeddings" in name:
                continue  # the vocabulary's size is known only once the tokenizer is there
            return f"'{name}' is {list(given[name])} there and {list(shape)} here"
    return ""


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shape of each weight and buffer, by name."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}

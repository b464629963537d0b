"""From a resolved stage to objects: dataset, views, model, objective, evaluators. Works on the meta device too."""

from __future__ import annotations

from collections.abc import Collection

from medvl.config.experiment import Stage
from medvl.contract import DataSpec
from medvl.data.dataset import Dataset
from medvl.data.label_policy import keeps_uncertain
from medvl.data.view import View
from medvl.errors import ConfigError
from medvl.evaluate.base import Evaluator
from medvl.models.base import Model
from medvl.models.tokenizer import Corpus, Tokenizer
from medvl.objectives.base import Objective

NOMINAL_ANSWERS = ("yes", "no")  # stand for the answers before any is read


def build_dataset(stage: Stage) -> Dataset:
    """The stage's dataset; nothing is read."""
    return stage.data.build()


def data_spec(stage: Stage, dataset: Dataset) -> DataSpec:
    """What is known of the data before it is read.

    Raises:
        ConfigError: labels, text sections or expected counts that the dataset does not have.
    """
    problems = stage.selection.unfit(dataset, stage.data.name)
    if problems:
        raise ConfigError([f"{stage.data.place}: {problem}" for problem in problems])
    labels = stage.selection.chosen_labels(dataset.labels)
    masks = stage.selection.chosen_masks(dataset.masks)
    answers = NOMINAL_ANSWERS if stage.selection.asks else ()
    return DataSpec(
        labels=tuple(labels), uncertain=keeps_uncertain(labels, stage.selection.policy), answers=answers, masks=masks,
        sections=tuple(dataset.sections),
    )  # fmt: skip


def build_views(stage: Stage) -> dict[str, View]:
    """The stage's views by name.

    Raises:
        ConfigError: views of different sizes; one encoder reads them all.
    """
    views = {name: component.build() for name, component in stage.views.items()}
    sizes = {name: view.size for name, view in views.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ConfigError(f"{stage.place}.views: one encoder reads all views, so they need one size; found {listed}")
    return views


def build_model(stage: Stage, size: int, corpus: Corpus, only: Collection[str] | None = None) -> Model:
    """The stage's encoders and fusion, weights as the encoders start them, frozen where the stage says so.

    Args:
        stage: the resolved stage.
        size: side in pixels of what the views give.
        corpus: texts or tokenizer for the text encoder.
        only: build these slots and leave the others out.
    """
    model = Model()
    for slot in ("image", "text"):
        if slot in stage.slots and (only is None or slot in only):
            setattr(model, slot, stage.slots[slot].build(size=size, corpus=corpus))
            _freeze(stage, model, slot)
    if only is None or "fusion" in only:
        add_fusion(stage, model)
    return model


def add_fusion(stage: Stage, model: Model) -> None:
    """Put the stage's fusion, where it has one, on a model whose encoders are in place."""
    if "fusion" in stage.slots:
        model.fusion = stage.slots["fusion"].build(model=model)
        _freeze(stage, model, "fusion")


def _freeze(stage: Stage, model: Model, slot: str) -> None:
    frozen = stage.slots[slot].frozen
    if frozen:
        model.freeze(slot, buffers=frozen is True)


def build_objective(stage: Stage, model: Model, data: DataSpec) -> Objective:
    """The stage's objective on a model whose weights are in place."""
    return stage.objective.build(model=model, data=data)


def build_evaluators(stage: Stage, data: DataSpec, tokenizer: Tokenizer | None) -> list[Evaluator]:
    """The stage's evaluators, in order; the tokenizer is the text encoder's, where there is one."""
    return [component.build(data=data, tokenizer=tokenizer) for component in stage.evaluate]


def tokenizer_of(model: Model) -> Tokenizer | None:
    """That of the text encoder, None where the model has none."""
    return None if model.text is None else model.text.tokenizer

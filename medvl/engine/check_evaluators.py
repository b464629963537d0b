"""Whether a stage's evaluators can be given what they take, and what scoring pairs for them will cost."""

from __future__ import annotations

from medvl.config.experiment import Stage
from medvl.contract import DataSpec
from medvl.data.dataset import Dataset
from medvl.data.view import View
from medvl.engine.asked import outputs_of, takes_maps, takes_pairs
from medvl.errors import ConfigError, nearest
from medvl.evaluate.base import Evaluator
from medvl.models.base import Model
from medvl.models.grad_cam import PACKAGE
from medvl.objectives.base import Objective
from medvl.registry import needs_package


def check_evaluators(stage: Stage, data: DataSpec, objective: Objective, evaluators: list[Evaluator]) -> None:
    """Outputs, labels, and the metric that the stage stops by.

    Raises:
        ConfigError: an evaluator lacks something, or no evaluator gives that metric.
    """
    given, known = outputs_of(objective), ["val/loss"]
    for component, evaluator in zip(stage.evaluate, evaluators, strict=True):
        if evaluator.takes(given) is None:
            wanted = " or ".join(", ".join(each) for each in (evaluator.wants, evaluator.instead) if each)
            raise ConfigError(
                f"{component.place}: evaluator '{component.name}' wants {wanted}, and objective "
                f"'{stage.objective.name}' predicts {', '.join(given) or 'nothing'}"
            )
        if "text" in evaluator.reads and stage.selection.text is None:
            raise ConfigError(
                f"{component.place}: evaluator '{component.name}' reads the cases' texts, and the data gives none. "
                f"do: say which section, data={{text: NAME}}. known: {', '.join(data.sections) or 'none'}"
            )
        if {"labels", "boxes"} & {*evaluator.reads} and not data.labels:
            raise ConfigError(
                f"{component.place}: evaluator '{component.name}' names findings, and the data gives no labels"
            )
        if "answers" in evaluator.reads and not data.answers:
            raise ConfigError(
                f"{component.place}: evaluator '{component.name}' reads answers, and the cases are no questions. "
                "do: text: question, under data"
            )
        known += [f"val/{name}" for name in evaluator.metrics()]
    if stage.stop is not None and stage.stop.metric not in known:
        raise ConfigError(
            f"{stage.place}.stop.metric: no evaluator of this stage gives '{stage.stop.metric}'."
            f"{nearest(stage.stop.metric, known)} known: {', '.join(name for name in known if '//' not in name)}"
        )


def check_maps(
    stage: Stage, model: Model, objective: Objective, views: dict[str, View], evaluators: list[Evaluator]
) -> None:
    """Whether maps of where the model looks can be made, and boxes be placed on them.

    Raises:
        ConfigError: the image encoder shows no cells, or the view does not say what it shows.
        PackageMissing: the package that makes the maps is not installed.
    """
    for component, evaluator in zip(stage.evaluate, evaluators, strict=True):
        if not takes_maps(evaluator, objective):
            continue
        who = f"{component.place}: evaluator '{component.name}'"
        needs_package(PACKAGE, who)
        if model.image is None or model.image.cells() is None:
            raise ConfigError(
                f"{who} judges where the image encoder looks, and this model has none that tells. do: take one whose "
                "features lie in cells, such as a CNN or a vision transformer of timm"
            )
        view = objective.views[0]
        if view in views and views[view].fixed().window is None:
            raise ConfigError(
                f"{who} judges by boxes, and view '{stage.views[view].name}' does not say which part of the "
                "radiograph it shows. do: take another view, e.g. {name: plain, size: 224}"
            )


def pair_notes(stage: Stage, dataset: Dataset, objective: Objective, evaluators: list[Evaluator]) -> list[str]:
    """How many passes of the fusion the pairs will take, as far as the number of cases is known without the data."""
    notes = []
    known = {**dataset.official, **stage.selection.expected(dataset.expectations)}
    for component, evaluator in zip(stage.evaluate, evaluators, strict=True):
        if not takes_pairs(evaluator, objective):
            continue
        cases = known.get(evaluator.split)
        if cases:
            count, size = evaluator.pools_of(cases).shape
            pools = "one pool" if count == 1 else f"{count} pools"
            how = f"{count * size**2:,} pairs of {cases:,} cases, {pools} of {size}"
        else:
            how = "every image of a pool with every text of it"
        notes.append(f"{component.name} on {evaluator.split} scores {how}: a pass of the fusion for each pair")
    return notes

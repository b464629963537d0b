"""Whether a stage's evaluators can be given what they take, and what scoring pairs for them will cost."""

from __future__ import annotations

from medvl.config.experiment import Stage
from medvl.contract import DataSpec
from medvl.data.dataset import Dataset
from medvl.engine.asked import outputs_of, takes_pairs
from medvl.errors import ConfigError, nearest
from medvl.evaluate.base import Evaluator
from medvl.objectives.base import Objective


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
        if "labels" in evaluator.reads and not data.labels:
            raise ConfigError(f"{component.place}: evaluator '{component.name}' reads labels, and the data gives none")
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

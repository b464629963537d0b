"""Everything that can be known to be wrong before data is read, found in about a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from medvl.config.experiment import Experiment, Stage
from medvl.contract import CAPABILITIES, TEXT_IDS, DataSpec, slot_of, slots_of
from medvl.data.dataset import Dataset
from medvl.data.lints.suite import before_reading
from medvl.data.masks import MASKED
from medvl.data.view import View
from medvl.engine.asked import cautions, takes_pairs
from medvl.engine.assemble import (
    add_fusion,
    build_dataset,
    build_evaluators,
    build_model,
    build_objective,
    build_views,
    data_spec,
    tokenizer_of,
)
from medvl.engine.check_evaluators import check_evaluators, check_maps, pair_notes
from medvl.engine.check_rates import check_rates
from medvl.engine.check_start import check_objective_start, check_slot_starts, shapes_of
from medvl.engine.feature_plan import plan_features
from medvl.engine.made_up import made_up_batch
from medvl.engine.plan import Plan
from medvl.errors import ConfigError, nearest
from medvl.models.base import Batch, Model
from medvl.models.tokenizer import Corpus
from medvl.objectives.base import Objective

META_TEXT = 8  # tokens of a text in the dry run


Check = Callable[[Stage, dict[str, Plan], Sequence[str]], Plan]


def check_experiment(experiment: Experiment, check: Check | None = None) -> dict[str, Plan]:
    """Fields, capabilities, shapes on the meta device, metrics, and where weights start, of every stage.

    Args:
        experiment: resolved.
        check: gives a stage's plan; `check_stage` where none is given.

    Raises:
        ConfigError: all problems at once.
    """
    plans: dict[str, Plan] = {}
    problems: list[str] = []
    refused: list[str] = []
    for stage in experiment.stages.values():
        try:
            plans[stage.name] = (check or check_stage)(stage, plans, refused)
        except ConfigError as error:
            problems += error.problems
            refused.append(stage.name)
    if problems:
        raise ConfigError(problems)
    return plans


def check_stage(stage: Stage, earlier: dict[str, Plan], refused: Sequence[str] = ()) -> Plan:
    """One stage's plan.

    Args:
        stage: resolved.
        earlier: plans of the stages before it.
        refused: stages before it that have problems of their own, so that nothing is known of their exports.

    Raises:
        ConfigError: what is wrong.
    """
    dataset = build_dataset(stage)
    data = data_spec(stage, dataset)
    views = build_views(stage)
    size = next(iter(views.values())).size if views else 0
    if "image" in stage.slots and not views:
        raise ConfigError(
            f"{stage.place}: the image slot needs a view, e.g. views: {{image: {{name: plain, size: 224}}}}"
        )
    with torch.device("meta"):
        model = build_model(stage, size, Corpus(), only=("image", "text"))
        _check_fusion(stage, model)
        add_fusion(stage, model)
        _check_objective(stage, model)
        objective = build_objective(stage, model, data)
    if stage.budget.trains and not objective.trains:
        raise ConfigError(
            f"{stage.place}.budget: objective '{stage.objective.name}' learns nothing. do: budget: {{steps: 0}}"
        )
    check_rates(stage)
    used = _check_needs(stage, model, objective)
    wanted_views = tuple(objective.views) if "image" in used or (objective.views and not objective.needs) else ()
    reads_text = "text" in used and not objective.own_texts
    reads_labels = "labels" in objective.reads
    _check_fields(stage, dataset, data, views, wanted_views, reads_text, reads_labels)
    _check_uncertain(stage, data, objective)
    _check_answers(stage, data, objective)
    _check_masks(stage, data, objective, views)
    evaluators = build_evaluators(stage, data, tokenizer_of(model))
    check_evaluators(stage, data, objective, evaluators)
    check_maps(stage, model, objective, views, evaluators)
    told = [caution for evaluator in evaluators for caution in cautions(evaluator, objective, model)]
    cases = max(2, stage.budget.batch_size // stage.budget.accumulate)  # as many as a step has: some losses split them
    wanted = [(name, views[name]) for name in wanted_views]
    batch = made_up_batch(wanted, data=data, cases=cases, tokens=META_TEXT, device="meta")
    _dry_run(stage, model, objective, batch)
    kept, notes = plan_features(stage, model, objective, {name: views[name] for name in wanted_views}, batch)
    for slot in ("image", "text", "fusion"):
        if slot not in used:
            setattr(model, slot, None)
    check_slot_starts(stage, model, used, earlier, refused)
    check_objective_start(stage, objective, earlier, refused)
    notes += [
        f"{slot}: not used by this objective and fusion; it is not built" for slot in stage.slots if slot not in used
    ]
    notes += pair_notes(stage, dataset, objective, evaluators) + told
    notes += [f"view {name}: not read by this objective" for name in views if name not in wanted_views and wanted_views]
    mirroring = tuple(name for name in wanted_views if views[name].flip > 0)
    findings = before_reading(
        dataset, stage.selection, reads_text=reads_text, reads_labels=reads_labels, mirroring=mirroring
    )
    measured = bool(data.labels) and any("labels" in evaluator.reads for evaluator in evaluators)
    return Plan(
        stage=stage, slots=used, views=wanted_views, reads_text=reads_text,
        judges_text=any("text" in evaluator.reads for evaluator in evaluators), reads_labels=reads_labels or measured,
        reads_answers=any("answers" in reads for reads in (objective.reads, *(each.reads for each in evaluators))),
        reads_masks="mask" in objective.reads, keeps_features=kept, size=size,
        source=max((views[name].source for name in wanted_views), default=0), features=model.features(),
        exports={name: shapes_of(module) for name, module in objective.exports(model).items()},
        objective=shapes_of(objective),
        parameters=sum(p.numel() for m in (model, objective) for p in m.parameters()),
        evaluators=evaluators, pairing=[one for one in evaluators if takes_pairs(one, objective)],
        mirroring=mirroring, notes=notes, findings=findings,
    )  # fmt: skip


def _check_fusion(stage: Stage, model: Model) -> None:
    """What the fusion's class says of the encoders, before it is built on them."""
    if "fusion" not in stage.slots:
        return
    component = stage.slots["fusion"]
    fusion, who = component.entry.load(), f"{component.place}: fusion '{component.name}'"
    there = [slot for slot in ("image", "text") if getattr(model, slot) is not None]
    for slot in sorted(slots_of(getattr(fusion, "needs", ()))):
        if slot not in there:
            raise ConfigError(
                f"{who} reads {slot}, and the model has no {slot} slot. add one, or take a fusion that reads "
                f"{' and '.join(there) or 'nothing'} alone"
            )
    _check_requires(stage, model, getattr(fusion, "requires", {}), who)


def _check_objective(stage: Stage, model: Model) -> None:
    """What the objective's class says of the encoders, before it is built on them."""
    component = stage.objective
    who = f"{component.place}: objective '{component.name}'"
    _check_requires(stage, model, getattr(component.entry.load(), "requires", {}), who)


def _check_requires(stage: Stage, model: Model, requires: dict[str, tuple[str, ...]], who: str) -> None:
    for slot, capabilities in requires.items():
        encoder = getattr(model, slot)
        if encoder is None:
            continue
        for capability in capabilities:
            if capability not in encoder.capabilities:
                meaning = CAPABILITIES.get(capability, capability)
                raise ConfigError(
                    f"{who} requires '{capability}' of its {_spoken(slot)} ({meaning}), which "
                    f"'{stage.slots[slot].name}' ({stage.slots[slot].place}) does not have; it has: "
                    f"{', '.join(sorted(encoder.capabilities)) or 'none'}. "
                    f"`medvl fits {slot} FILE` lists what would fit"
                )


def _spoken(slot: str) -> str:
    return slot if slot == "fusion" else f"{slot} encoder"


def _check_needs(stage: Stage, model: Model, objective: Objective) -> tuple[str, ...]:
    """The slots that the objective uses, directly or through the fusion."""
    given = model.features()
    for name in objective.needs:
        if name not in given and name != TEXT_IDS:
            raise ConfigError(
                f"{stage.objective.place}: objective '{stage.objective.name}' needs {name}, and the model gives "
                f"{', '.join(sorted(given)) or 'nothing'}. add the {slot_of(name).replace('joint', 'fusion')} slot"
            )
    used = slots_of(tuple(model.expand(objective.needs)))
    if any(slot_of(name) == "joint" for name in objective.needs):
        used.add("fusion")
    _check_requires(stage, model, objective.requires, f"{stage.objective.place}: objective '{stage.objective.name}'")
    return tuple(slot for slot in ("image", "text", "fusion") if slot in used)


def _check_fields(
    stage: Stage,
    dataset: Dataset,
    data: DataSpec,
    views: dict[str, View],
    wanted: tuple[str, ...],
    text: bool,
    labels: bool,
) -> None:
    problems = []
    for name in wanted:
        if name not in views:
            problems.append(
                f"{stage.place}.views: objective '{stage.objective.name}' reads the view '{name}', and "
                f"the stage makes {', '.join(views) or 'none'}.{nearest(name, views)} "
                f"add e.g. {name}: {{name: plain, size: 224}}"
            )
    if text and stage.selection.text is None:
        known = ", ".join(dataset.sections) or "none"
        problems.append(
            f"{stage.data.place}: the model reads text; say which section, text: NAME. "
            f"sections of '{stage.data.name}': {known}"
        )
    if stage.budget.sort_window is not None and not text:
        problems.append(
            f"{stage.place}.budget.sort_window: it sorts cases by the length of their text, and the model reads none. "
            "do: leave it out"
        )
    if labels and not data.labels:
        problems.append(f"{stage.data.place}: objective '{stage.objective.name}' reads labels, and the data gives none")
    if problems:
        raise ConfigError(problems)


def _check_uncertain(stage: Stage, data: DataSpec, objective: Objective) -> None:
    if data.uncertain and "labels" in objective.reads and not objective.bears_uncertain:
        raise ConfigError(
            f"{stage.data.place}.labels: under multi_class uncertain mentions are a class of their own, which "
            f"objective '{stage.objective.name}' does not learn as it stands. do: give multilabel the loss "
            "three_class, or choose ignore, zeros or ones"
        )
    if objective.tells_uncertain and not data.uncertain:
        raise ConfigError(
            f"{stage.objective.place}: its loss learns uncertain mentions as a class of their own, and the label "
            f"policy leaves none. do: labels: {{policy: multi_class}} in {stage.data.place}"
        )


def _check_masks(stage: Stage, data: DataSpec, objective: Objective, views: dict[str, View]) -> None:
    if "mask" not in objective.reads:
        return
    who = f"objective '{stage.objective.name}' reads masks"
    if not data.masks:
        raise ConfigError(
            f"{stage.data.place}: {who}, and the data gives none. do: choose a dataset with masks, such as "
            "siim_acr or phantom"
        )
    if MASKED in views and not views[MASKED].carries_masks:
        raise ConfigError(
            f"{stage.views[MASKED].place}: {who}, and view '{stage.views[MASKED].name}' does not carry them along. "
            "do: choose another view, e.g. {name: cxr_finetune, crop: 1.0}"
        )


def _check_answers(stage: Stage, data: DataSpec, objective: Objective) -> None:
    if "answers" in objective.reads and not data.answers:
        raise ConfigError(
            f"{stage.data.place}: objective '{stage.objective.name}' learns to answer questions, and the cases are "
            "none. do: choose a dataset with questions, and text: question"
        )


def _dry_run(stage: Stage, model: Model, objective: Objective, batch: Batch) -> None:
    """One forward pass on the meta device: shapes meet, and losses are scalars. No memory, no data."""
    try:
        losses = objective(model, batch) if objective.trains else {}
        if not objective.trains:
            objective.predict(model, {name: value for name, value in batch.items() if not name.startswith("text.")})
    except NotImplementedError:  # an operation that needs values, which meta tensors do not have
        return
    except Exception as error:
        error.add_note(
            f"in a dry run on the meta device of {stage.objective.place}: objective '{stage.objective.name}'"
        )
        raise
    for name, value in losses.items():
        if not isinstance(value, Tensor) or value.ndim:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ConfigError(
                f"{stage.objective.place}: loss '{name}' of objective '{stage.objective.name}' must be a scalar, "
                f"found {shape}"
            )

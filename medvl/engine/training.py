"""Training a stage: the optimiser, the validation, the log and the loop, put together and run to the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import torch

from medvl.config.experiment import Stage
from medvl.data.feed import Feeder
from medvl.engine.asked import validates, wanted_by
from medvl.engine.assemble import build_evaluators, tokenizer_of
from medvl.engine.checkpoint import BEST, load_checkpoint, read_checkpoint, save_best
from medvl.engine.context import StageContext
from medvl.engine.given import given_to
from medvl.engine.journal import Journal
from medvl.engine.optimization import optimization_of
from medvl.engine.predicting import cases_of, predict
from medvl.engine.reconstructions import draw_reconstructions
from medvl.engine.record import StageRecord
from medvl.engine.schedules import Horizon
from medvl.engine.stage_data import StageData
from medvl.engine.trainable import Trainable
from medvl.engine.trainer import Draw, Progress, Trainer, Validate


def train(context: StageContext, trainable: Trainable, data: StageData, record: StageRecord) -> int | None:
    """Train from wherever the last checkpoint stands; `trainable` ends with the weights to evaluate.

    With a budget of no steps nothing is trained: the weights that the stage starts from are the selected ones.

    Returns:
        The step whose weights were selected; None where no metric selects, and the last weights are taken.

    Raises:
        Interrupted: stopped on request, after a checkpoint.
        CheckpointError: none could be read, or one could not be written.
        TrainingDiverged: loss or weights are no longer finite.
        ConfigError: every weight is frozen.
    """
    budget = context.stage.budget
    if context.fabric.device.type == "cuda":
        trainable.model.to(memory_format=torch.channels_last)
    trainable.to(context.fabric.device)
    if not budget.trains:
        if context.leads:
            save_best(context.folder, {"step": 0, "trainable": trainable.state_dict()})
        return 0
    feeder = context.feeder(data.cases(data.train), accumulate=budget.accumulate, sort_window=budget.sort_window)
    total = budget.total_steps(feeder.steps_per_epoch)
    optimization = optimization_of(context.stage, trainable, Horizon(total, feeder.steps_per_epoch))
    if context.experiment.compile:
        trainable.compile()
    wrapped, optimizer = context.fabric.setup(trainable, optimization.optimizer)
    state, notes = load_checkpoint(context.folder)
    for note in notes:
        record.note(note)
    with Journal(context, total, start=0 if state is None else state["progress"]["step"]) as journal:
        for note in journal.notes:
            record.manifest.note(note)
        trainer = Trainer(
            context.fabric, wrapped, optimizer, optimization, budget, context.stage.stop, total, feeder.steps_per_epoch,
            _validator(context, trainable, data), journal, context.folder, _drawer(context, trainable, data),
        )  # fmt: skip
        if state is not None:
            trainer.load(state)
        _fit(context, trainer, feeder, record)
    for note in _told_of_stop(context.stage, trainer.progress, total):
        record.note(note)
    _take_best(context, trainable, trainer.progress.best_step)
    return trainer.progress.best_step


def _told_of_stop(stage: Stage, progress: Progress, total: int) -> Iterator[str]:
    """What `stop` made of the stage, where a reader would not expect it."""
    if stage.stop is None:
        return
    if progress.best_step is None:
        yield f"{stage.stop.metric} was undefined at every validation: none selected weights, the last are judged"
    elif progress.step < total:
        yield (
            f"stopped at step {progress.step} of {total}: {stage.stop.metric} was best at step {progress.best_step}, "
            f"and patience is {stage.stop.patience_steps} steps"
        )


def _fit(context: StageContext, trainer: Trainer, feeder: Feeder, record: StageRecord) -> None:
    first, began = trainer.progress.step, time.monotonic()
    try:
        with closing(feeder.train(first)) as batches:
            trainer.fit(batches, context.guard)
    finally:
        steps = trainer.progress.step - first
        record.add_training(seconds=time.monotonic() - began, cases=steps * feeder.batch_size)


def _validator(context: StageContext, trainable: Trainable, data: StageData) -> Validate | None:
    """Gives `val/loss`, and `val/METRIC` for all that the stage's evaluators measure at little cost."""
    if "val" not in data.splits:
        return None
    feeder = context.feeder(data.cases(data.splits["val"]))
    objective = trainable.objective
    every = build_evaluators(context.stage, data.spec, tokenizer_of(trainable.model))
    evaluators = [evaluator for evaluator in every if validates(context.stage, evaluator, objective)]
    wanted = wanted_by(evaluators, objective)

    def validate() -> dict[str, float]:
        predicted = predict(context.fabric, trainable, feeder, wanted=wanted, losses=True)
        metrics = {"loss": float(predicted["loss"].mean())}
        cases = cases_of(data, "val", predicted, evaluators)
        for evaluator in evaluators:
            given = given_to(evaluator, context, trainable, data, cases, "val")
            metrics |= evaluator.evaluate(given, intervals=False).metrics
        return {f"val/{name}": value for name, value in metrics.items()}

    return validate


def _drawer(context: StageContext, trainable: Trainable, data: StageData) -> Draw | None:
    if not (context.pictures and context.leads and trainable.objective.reconstructs):
        return None
    return lambda step: draw_reconstructions(context, trainable, data, step)


def _take_best(context: StageContext, trainable: Trainable, best_step: int | None) -> None:
    """Where a metric selects, what follows is of the selected weights; else of the last ones."""
    if best_step is not None:
        trainable.load_state_dict(read_checkpoint(context.folder / BEST)["trainable"])

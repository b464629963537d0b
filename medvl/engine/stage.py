"""One stage from data to results. It can be killed at any moment and is taken up again by the next run."""

from __future__ import annotations

from medvl.data.answers import AnswerClasses
from medvl.data.dataset import Dataset
from medvl.engine.assemble import build_model, build_objective
from medvl.engine.context import StageContext
from medvl.engine.evaluation import draw_curves, evaluate
from medvl.engine.frozen_features import read_features
from medvl.engine.outcome import Outcome, finished_outcome
from medvl.engine.randomness import seed_everything
from medvl.engine.record import StageRecord
from medvl.engine.saliency import require_boxes
from medvl.engine.stage_data import StageData, read_stage_data, tokens_of
from medvl.engine.start import corpus_for, load_objective, load_start, save_exports
from medvl.engine.trainable import Trainable
from medvl.engine.training import train
from medvl.models.weights import Coverage
from medvl.runs.folder import ANSWERS, TOKENIZER


def run_stage(context: StageContext, dataset: Dataset, plugins: dict[str, str]) -> Outcome:
    """Train what is left to train, evaluate, export.

    Args:
        context: of the stage; its folder is held by this run.
        dataset: of the stage.
        plugins: name -> version, for the manifest.

    Raises:
        Interrupted: stopped on request; the next run goes on.
        MedvlError: bad data, weights, disk or learning rate.
    """
    finished = finished_outcome(context.plan, context.folder)
    if finished is not None:
        return finished
    record = StageRecord(context, dataset.fingerprint(), plugins)
    with record.closing():
        data = read_stage_data(context, dataset)
        require_boxes(context, data)
        for finding in data.findings:  # now, not at the end: hours of training may rest on it
            record.note(finding.sentence())
        seed_everything(context.seed)
        trainable, coverages = _build(context, data)
        record.describe(data, coverages)
        for note in (*trainable.model.notes(), *(note for coverage in coverages for note in coverage.notes())):
            record.note(note)
        if context.leads and data.answers is not None:
            AnswerClasses(data.spec.answers).write(context.folder / ANSWERS)
        if context.fabric.global_rank:  # the same first weights everywhere, but each process its own dropout
            seed_everything(context.seed + context.fabric.global_rank)
        if context.plan.keeps_features:
            data.features = read_features(context, trainable.model, data)
        best_step = train(context, trainable, data, record)
        tables = evaluate(context, trainable, data)
        if context.leads:
            save_exports(context.folder, trainable.model, trainable.objective, context.stage)
            if context.stage.budget.trains:
                draw_curves(context, best_step)
        context.fabric.barrier()
    return Outcome(context.stage.name, context.folder, tables, [*data.notes, *context.plan.notes])


def _build(context: StageContext, data: StageData) -> tuple[Trainable, list[Coverage]]:
    """Model and objective with the weights they start from; texts become token ids."""
    plan = context.plan
    corpus = corpus_for(plan, context.folder, context.parents, data.training_texts())
    model = build_model(plan.stage, plan.size, corpus, only=plan.slots)
    if model.text is not None:
        if context.leads and not (context.folder / TOKENIZER).is_file():
            model.text.save_files(context.folder)
        if plan.reads_text:
            data.tokens = tokens_of(context, data, model.text.tokenizer)
    coverages = load_start(model, plan, context.parents)
    objective = build_objective(plan.stage, model, data.spec)
    return Trainable(model, objective), coverages + load_objective(objective, plan, context.parents)

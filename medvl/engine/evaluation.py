"""The end of a stage: predictions of each split that is asked for, and what the evaluators make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medvl.engine.asked import cautions, wanted_by
from medvl.engine.assemble import build_evaluators, tokenizer_of
from medvl.engine.context import StageContext
from medvl.engine.given import given_to
from medvl.engine.heatmaps import draw_heatmaps
from medvl.engine.outcome import result_table
from medvl.engine.overlays import draw_overlays
from medvl.engine.predicting import cases_of, predict
from medvl.engine.reconstructions import draw_reconstructions
from medvl.engine.stage_data import StageData
from medvl.engine.trainable import Trainable
from medvl.engine.trainer import share_buffers
from medvl.evaluate.base import Cases, Evaluator, Result
from medvl.evaluate.grounding import Grounding
from medvl.runs import folder as names
from medvl.runs.curves import plot_curves, write_figure
from medvl.runs.draws import write_draws
from medvl.runs.figures import plot_findings
from medvl.runs.listing import listing_name, write_listing
from medvl.runs.metrics_log import read_metrics
from medvl.runs.predictions import case_keys, write_predictions
from medvl.runs.progress import PATIENCE, Progress
from medvl.runs.results import write_results

if TYPE_CHECKING:
    from medvl.runs.tables import Table


def evaluate(context: StageContext, trainable: Trainable, data: StageData) -> list[Table]:
    """Every evaluator's table; the leading process writes predictions, results, tables and pictures.

    Raises:
        Interrupted: asked to stop; the trained weights are safe in the checkpoint.
    """
    share_buffers(context.fabric, trainable)
    trainable.eval()
    evaluators = build_evaluators(context.stage, data.spec, tokenizer_of(trainable.model))
    cases: dict[str, Cases] = {}
    tuned = [evaluator for evaluator in evaluators if evaluator.tunes]
    for split in dict.fromkeys([*(evaluator.split for evaluator in evaluators), *(["val"] if tuned else [])]):
        asking = [one for one in evaluators if one.split == split or (split == "val" and one.tunes)]
        cases[split] = predicted_cases(context, trainable, data, split, asking)
    given = [given_to(one, context, trainable, data, cases[one.split], one.split) for one in evaluators]
    if not context.leads:
        return []
    for split, predicted in cases.items():
        write_predictions(context.folder / names.predictions_file(split), predicted, data.table, data.spec.labels)
    for evaluator in tuned:
        evaluator.tune(cases["val"])
    results = [evaluator.evaluate(own) for evaluator, own in zip(evaluators, given, strict=True)]
    for evaluator, result in zip(evaluators, results, strict=True):
        result.notes += cautions(evaluator, trainable.objective, trainable.model)
    titles = [component.name for component in context.stage.evaluate]
    tables = [result_table(context.stage.name, *each) for each in zip(evaluators, titles, results, strict=True)]
    stems = _distinct([f"{title}-{evaluator.split}" for title, evaluator in zip(titles, evaluators, strict=True)])
    for stem, table, result in zip(stems, tables, results, strict=True):
        table.write(context.folder, f"results-{stem}")
        _draw_findings(context, result, data, stem)
    for stem, evaluator, own in zip(stems, evaluators, given, strict=True):
        if context.pictures and isinstance(evaluator, Grounding):
            draw_heatmaps(context, data, evaluator, own, stem)
    keys = {split: case_keys(data.table, predicted.rows) for split, predicted in cases.items()}
    for place, (stem, evaluator, result) in enumerate(zip(stems, evaluators, results, strict=True)):
        write_draws(context.folder / names.draws_file(stem), place, evaluator, result, keys[evaluator.split])
    _write_listings(context, evaluators, given)
    if context.pictures and trainable.objective.segments:
        for split, predicted in cases.items():
            draw_overlays(context, trainable, data, predicted, split)
    if context.pictures and trainable.objective.reconstructs:
        draw_reconstructions(context, trainable, data)
    if results:
        write_results(context.folder, titles, evaluators, results)
    return tables


def predicted_cases(
    context: StageContext, trainable: Trainable, data: StageData, split: str, evaluators: Sequence[Evaluator]
) -> Cases:
    """A split's cases with what these evaluators want of the objective's predictions.

    Raises:
        Interrupted: asked to stop.
    """
    rows, wanted = data.splits[split], wanted_by(evaluators, trainable.objective)
    if not wanted:
        return cases_of(data, split, {}, evaluators)
    title, share = f"{context.stage.name}: predicting {split}", len(rows) // context.fabric.world_size
    with Progress(title, share, "case", enabled=context.leads, patience=PATIENCE) as progress:

        def after_batch(cases: int) -> None:
            context.guard.check()
            progress.advance(cases)

        feeder = context.feeder(data.cases(rows))
        predicted = predict(context.fabric, trainable, feeder, wanted=wanted, after_batch=after_batch)
        return cases_of(data, split, predicted, evaluators)


def _write_listings(context: StageContext, evaluators: list[Evaluator], given: list[Cases]) -> None:
    """What evaluators list case by case; a second list of one name and split has a number."""
    listing = [(one, cases) for one, cases in zip(evaluators, given, strict=True) if one.listing]
    names = _distinct([listing_name(one.listing, one.split) for one, _ in listing])
    for name, (one, cases) in zip(names, listing, strict=True):
        columns = one.listed(cases)
        if columns:
            write_listing(context.folder / f"{name}.parquet", columns)


def draw_curves(context: StageContext, best_step: int | None) -> None:
    """The picture of how the stage learned."""
    if not context.pictures:
        return
    records = read_metrics(context.folder / names.METRICS)
    figure = plot_curves(records, title=f"{context.experiment.name}: {context.stage.name}", best_step=best_step)
    write_figure(figure, context.folder / names.CURVES)


def _draw_findings(context: StageContext, result: Result, data: StageData, stem: str) -> None:
    """The picture of each finding's AUROC, from any evaluator that measures it."""
    labels = data.spec.labels
    if not context.pictures or not labels or any(f"auroc/{label}" not in result.metrics for label in labels):
        return
    figure = plot_findings(result, labels, title=f"{context.stage.name}: AUROC, {stem}")
    write_figure(figure, context.folder / names.FIGURES / f"auroc-{stem}.png")


def _distinct(stems: list[str]) -> list[str]:
    """Two evaluators of one name and split differ by a number."""
    return [
        stem if stem not in stems[:place] else f"{stem}-{stems[: place + 1].count(stem)}"
        for place, stem in enumerate(stems)
    ]

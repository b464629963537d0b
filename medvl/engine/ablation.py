"""A finished stage without its text, without its image, and with those of other cases: what each contributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from medvl.data.cases import TokenArrays
from medvl.data.stand_ins import OtherTokens, mean_radiograph, next_in_a_circle
from medvl.engine.assemble import build_dataset, build_evaluators, tokenizer_of
from medvl.engine.context import StageContext
from medvl.engine.evaluation import predicted_cases
from medvl.engine.given import given_to
from medvl.engine.hardware import make_fabric, settle
from medvl.engine.interrupt import InterruptGuard
from medvl.engine.load import TrainedStage
from medvl.engine.stage_data import StageData, read_stage_data, tokens_of
from medvl.errors import DataError
from medvl.evaluate.base import Evaluator, Result
from medvl.models.tokenizer import Tokenizer
from medvl.runs.ablation import INTACT
from medvl.runs.draws import KeptDraws, kept_draws
from medvl.runs.predictions import case_keys


@dataclass(frozen=True)
class Judged:
    """A stage's evaluators on some inputs.

    Attributes:
        results: of each evaluator that draws intervals.
        draws: the same, for paired differences.
    """

    results: list[Result]
    draws: list[KeptDraws]


def ablate(trained: TrainedStage, seed: int = 0) -> dict[str, Judged]:
    """What the stage's evaluators say of its inputs as they are (`intact`), and of others in their place.

    - `text removed`: every text is empty, as of a case without one; `image removed`: every radiograph is the mean
      training radiograph.
    - `text shuffled`, `image shuffled`: each case has that of another case of its split.

    What is right stays that of the case. Only what the model reads is replaced.

    Args:
        trained: the stage.
        seed: of the shuffling.

    Raises:
        DataError: the stage has no evaluator that draws intervals, or it segments.
    """
    if trained.trainable.objective.segments:
        raise DataError(f"stage '{trained.stage.name}' outlines what it sees, and reads nothing else to do without")
    context = _context(trained)
    trained.trainable.to(context.fabric.device)
    data = _read(context, trained)
    judge = _judge(context, trained, data)
    found = {INTACT: judge(data)}
    if not found[INTACT].draws:
        raise DataError(
            f"stage '{trained.stage.name}' has no evaluator that draws intervals, so no difference can be told. "
            "do: give the folder of a stage with `evaluate:`, replicates above 0"
        )
    for name, change in _changes(trained).items():
        found[name] = judge(change(data, seed))
    return found


Change = Callable[[StageData, int], StageData]


def _changes(trained: TrainedStage) -> dict[str, Change]:
    """Those of what the model reads; a text that it is to write is none of that."""
    changes: dict[str, Change] = {}
    text, writes = trained.trainable.model.text, "report" in trained.trainable.objective.predicts
    if trained.plan.reads_text and text is not None and not writes:
        changes |= {"text removed": lambda data, _: _without_text(data, text.tokenizer), "text shuffled": _other_text}
    if trained.plan.views:
        changes |= {"image removed": lambda data, _: _without_image(data), "image shuffled": _other_image}
    return changes


def _without_text(data: StageData, tokenizer: Tokenizer) -> StageData:
    ids, offsets = tokenizer.encode([""])
    nothing = TokenArrays(ids, offsets, tokenizer.pad)
    return replace(data, tokens=OtherTokens(nothing, np.zeros(data.table.num_rows, np.int64)))


def _other_text(data: StageData, seed: int) -> StageData:
    assert isinstance(data.tokens, TokenArrays)
    to = np.arange(data.table.num_rows)
    for rows in data.splits.values():
        taken = next_in_a_circle(rows, seed)
        to[list(taken)] = list(taken.values())
    return replace(data, tokens=OtherTokens(data.tokens, to))


def _without_image(data: StageData) -> StageData:
    assert data.store is not None
    return replace(data, in_place=mean_radiograph(data.store, data.shown(data.train)))


def _other_image(data: StageData, seed: int) -> StageData:
    """Questions of one image share another one, too."""
    own = data.shown(np.arange(data.table.num_rows))
    others = own.copy()
    for rows in data.splits.values():
        taken = next_in_a_circle(np.unique(own[rows]), seed)
        others[rows] = [taken[image] for image in own[rows].tolist()]
    return replace(data, image_rows=others)


def _judge(context: StageContext, trained: TrainedStage, intact: StageData) -> Callable[[StageData], Judged]:
    """From a stage's data to its evaluators' results; what they choose on validation cases they choose once."""
    trainable = trained.trainable
    evaluators = build_evaluators(context.stage, intact.spec, tokenizer_of(trainable.model))
    for evaluator in evaluators:
        if evaluator.tunes:
            evaluator.tune(predicted_cases(context, trainable, intact, "val", [evaluator]))

    def judge(data: StageData) -> Judged:
        results, draws = [], []
        for split, asking in _by_split(evaluators).items():
            cases = predicted_cases(context, trainable, data, split, asking)
            keys = case_keys(data.table, cases.rows)
            for evaluator in asking:
                result = evaluator.evaluate(given_to(evaluator, context, trainable, data, cases, split))
                kept = kept_draws(evaluator, result, keys)
                if kept is not None:
                    results.append(result)
                    draws.append(kept)
        return Judged(results, draws)

    return judge


def _by_split(evaluators: list[Evaluator]) -> Mapping[str, list[Evaluator]]:
    splits = dict.fromkeys(evaluator.split for evaluator in evaluators)
    return {split: [each for each in evaluators if each.split == split] for split in splits}


def _context(trained: TrainedStage) -> StageContext:
    experiment = trained.experiment
    device, precision = settle(experiment.device, experiment.precision)
    fabric = make_fabric(device, 1, precision)
    digest = trained.folder.name.rpartition("-")[2]
    guard = InterruptGuard()  # not entered: there is nothing to save, so Ctrl-C may stop at once
    return StageContext(experiment, trained.plan, fabric, digest, trained.folder, {}, guard, pictures=False)


def _read(context: StageContext, trained: TrainedStage) -> StageData:
    data = read_stage_data(context, build_dataset(context.stage))
    tokenizer = tokenizer_of(trained.trainable.model)
    if context.plan.reads_text and tokenizer is not None:
        data.tokens = tokens_of(context, data, tokenizer)
    return data

"""A split's predictions, and what single evaluators are given beside them."""

from __future__ import annotations

from medvl.engine.context import StageContext
from medvl.engine.pair_scores import with_pairs
from medvl.engine.saliency import with_maps
from medvl.engine.stage_data import StageData
from medvl.engine.trainable import Trainable
from medvl.evaluate.base import Cases, Evaluator


def given_to(
    evaluator: Evaluator, context: StageContext, trainable: Trainable, data: StageData, cases: Cases, split: str
) -> Cases:
    """The cases of a split as an evaluator takes them: with scores of its own pools, or maps of where the model looks.

    Raises:
        Interrupted: asked to stop.
        DataError: an image with a box cannot be read.
    """
    cases = with_pairs(context, trainable, data, evaluator, cases, split)
    return with_maps(context, trainable, data, evaluator, cases)

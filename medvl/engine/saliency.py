"""Maps of where a model looks for the findings that have boxes, over all processes: what `grounding` judges."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from medvl.data.dataset import BOXES
from medvl.data.feed import Feeder
from medvl.data.shown_boxes import Box, shown_boxes
from medvl.engine.asked import takes_maps
from medvl.engine.assemble import build_dataset, build_views
from medvl.engine.context import StageContext
from medvl.engine.stage_data import StageData
from medvl.engine.trainable import Trainable
from medvl.errors import DataError
from medvl.evaluate.base import SALIENCY, Cases, Evaluator
from medvl.models.base import Batch
from medvl.models.distributed import apart
from medvl.models.grad_cam import grad_cam
from medvl.runs.progress import PATIENCE, Progress

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def with_maps(
    context: StageContext, trainable: Trainable, data: StageData, evaluator: Evaluator, cases: Cases
) -> Cases:
    """A split's cases as an evaluator takes them: with maps and boxes, where it reads such.

    Raises:
        Interrupted: asked to stop.
        DataError: the data has no boxes at all, or an image with a box cannot be read.
    """
    if not takes_maps(evaluator, trainable.objective):
        return cases
    of, boxes = _boxed(context, data, cases.rows)
    title, share = f"{context.stage.name}: maps of {evaluator.split}", len(of) // context.fabric.world_size
    with Progress(title, share, "map", enabled=context.leads, patience=PATIENCE) as progress:

        def after_batch(maps: int) -> None:
            context.guard.check()
            progress.advance(maps)

        feeder = context.feeder(data.pixels(cases.rows[of[:, 0]]))  # a case comes once for each of its findings
        maps = maps_of(context.fabric, trainable, feeder, of[:, 1], context.plan.views[0], after_batch)
    return replace(cases, fields=cases.fields | {"boxed": of, "boxes": boxes}, outputs=cases.outputs | {SALIENCY: maps})


def maps_of(
    fabric: Fabric,
    trainable: Trainable,
    feeder: Feeder,
    findings: np.ndarray,
    view: str,
    after_batch: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Grad-CAM of one finding of each case, (P, h, w) float32.

    Args:
        fabric: the processes, which share the cases out.
        trainable: in evaluation mode; predicts `logits`.
        feeder: of P cases, in order.
        findings: (P,) int64, whose logit each case's map is of.
        view: the one that the model sees.
        after_batch: called with the number of cases of each batch.
    """
    assert trainable.model.image is not None
    cells = trainable.model.image.cells()
    assert cells is not None, "checked before the stage"
    found, positions = [], []
    with apart(), closing(feeder.once()) as batches:
        for batch in batches:
            wanted = torch.from_numpy(findings[batch["positions"].numpy()]).to(fabric.device)

            found.append(grad_cam(cells, logits_of(trainable, batch, view), batch[view], wanted).cpu())
            positions.append(batch["positions"])
            if after_batch is not None:
                after_batch(len(wanted))
    own = (torch.cat(positions).numpy(), torch.cat(found).numpy()) if found else None
    parts: list[Any] = [own]
    if fabric.world_size > 1:
        parts = [None] * fabric.world_size
        torch.distributed.all_gather_object(parts, own)
    there = [part for part in parts if part is not None]
    if not there:
        return np.zeros((0, 1, 1), np.float32)
    order = np.argsort(np.concatenate([at for at, _ in there]), kind="stable")
    return np.concatenate([maps for _, maps in there])[order]


def logits_of(trainable: Trainable, batch: Batch, view: str) -> Callable[[Tensor], Tensor]:
    """From other images in the place of a batch's to the logits (B, K) of its cases."""

    def logits(images: Tensor) -> Tensor:
        return trainable.predict(batch | {view: images}, ("logits",))["logits"]

    return logits


def _boxed(context: StageContext, data: StageData, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P, 2) positions and findings of what has boxes, and (M, 5) these boxes; see `Cases`."""
    view = build_views(context.stage)[context.plan.views[0]].fixed()
    placed = shown_boxes(build_dataset(context.stage), data.table, rows, context.stage.selection.fit, view.window)
    numbers = {label: number for number, label in enumerate(data.spec.labels)}
    of: list[tuple[int, int]] = []
    boxes: list[tuple[float, ...]] = []
    for position, each in enumerate(placed):
        for label in dict.fromkeys(box.label for box in each if box.label in numbers):
            boxes += [(len(of), *_sides(box)) for box in each if box.label == label]
            of.append((position, numbers[label]))
    return np.array(of, np.int64).reshape(-1, 2), np.array(boxes, np.float64).reshape(-1, 5)


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height


def require_boxes(context: StageContext, data: StageData) -> None:
    """Refuse data without boxes before anything is trained.

    Raises:
        DataError: an evaluator reads boxes, and the study table has none.
    """
    if any("boxes" in evaluator.reads for evaluator in context.plan.evaluators) and (
        BOXES not in data.table.column_names
    ):
        raise DataError(
            f"{context.stage.data.place}: an evaluator judges where the model looks, and dataset "
            f"'{context.stage.data.name}' has no boxes. do: leave the evaluator out, or take data with boxes"
        )

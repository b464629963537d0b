"""A split's predictions and losses, over all processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medvl.data.feed import Feeder
from medvl.engine.stage_data import StageData
from medvl.engine.trainable import Trainable
from medvl.evaluate.base import Cases, Evaluator
from medvl.models.distributed import apart

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@torch.no_grad()
def predict(
    fabric: Fabric,
    trainable: Trainable,
    feeder: Feeder,
    *,
    wanted: Collection[str] | None = None,
    losses: bool = False,
    after_batch: Callable[[int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Every case of a feeder, in order: `positions`, each output (N, ...), and per case `loss`.

    The module is used as it is: the caller sets evaluation mode.

    Args:
        fabric: precision and processes.
        trainable: predicts.
        feeder: of the cases.
        wanted: the outputs of `predict` that are asked for; None is all.
        losses: ask for the loss; each case gets its batch's, so that their mean weighs batches by their cases.
        after_batch: called with the number of cases of each batch.
    """
    found: dict[str, list[Any]] = defaultdict(list)
    with apart(), closing(feeder.once()) as batches:
        for batch in batches:
            with fabric.autocast():
                if wanted is None or wanted:
                    for name, value in trainable.predict(batch, wanted).items():
                        found[name].append(value.float() if value.is_floating_point() else value)
                if losses:
                    total = torch.stack(list(trainable(batch).values())).sum().float()
                    found["loss"].append(total.expand(len(batch["positions"])))
            found["positions"].append(batch["positions"])
            if after_batch is not None:
                after_batch(len(batch["positions"]))
    arrays = {name: torch.cat(parts).cpu().numpy() for name, parts in found.items()}
    if fabric.world_size > 1:
        gathered: list[Any] = [None] * fabric.world_size
        torch.distributed.all_gather_object(gathered, arrays)
        names = next((list(part) for part in gathered if part), [])
        arrays = {name: np.concatenate([part[name] for part in gathered if part]) for name in names}
    order = np.argsort(arrays["positions"], kind="stable")
    return {name: values[order] for name, values in arrays.items()}


def cases_of(data: StageData, split: str, predicted: dict[str, np.ndarray], evaluators: Iterable[Evaluator]) -> Cases:
    """Predictions with what these evaluators read beside them."""
    rows = data.splits[split]
    fields = data.told(rows)
    if data.texts is not None and any("text" in evaluator.reads for evaluator in evaluators):
        fields["text"] = np.array(data.texts.read(rows).to_pylist(), object)
    outputs = {name: values for name, values in predicted.items() if name not in ("positions", "loss")}
    return Cases(rows, data.patients(rows), fields, outputs, data.studies(rows))

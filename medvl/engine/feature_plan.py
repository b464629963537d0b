"""Whether a stage's image features can be computed once: what must hold for that, found before data is read."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from medvl.config.experiment import Stage
from medvl.contract import slot_of
from medvl.data.view import View
from medvl.models.base import Batch, Model
from medvl.objectives.base import Objective

POOLED = "image.pooled"  # the one feature that is kept: token maps are as large as the radiographs, or larger


def plan_features(
    stage: Stage, model: Model, objective: Objective, views: Mapping[str, View], batch: Batch
) -> tuple[bool, list[str]]:
    """Whether the frozen image encoder's features are fed in place of radiographs, and notes about it.

    Args:
        stage: the resolved stage.
        model, objective: on the meta device.
        views: those that the objective reads.
        batch: on the meta device, as the stage would be fed.
    """
    image = stage.slots.get("image")
    needed = {name for name in model.expand(objective.needs) if slot_of(name) == "image"}
    if image is None or image.frozen is not True or not needed or not stage.budget.trains:
        return False, []
    reason = _why_not(stage, model, objective, needed, views, batch)
    if reason:
        return False, [f"the image encoder is frozen, and yet computes its features anew for every batch: {reason}"]
    return True, [f"{POOLED}: computed once and kept, since the image encoder is frozen and its view not random"]


def _why_not(
    stage: Stage, model: Model, objective: Objective, needed: set[str], views: Mapping[str, View], batch: Batch
) -> str:
    if set(views) != {"image"}:
        return f"the objective reads the views {', '.join(views)}, and only one called image is kept"
    if views["image"].fixed() is not views["image"]:
        return f"view image ('{stage.views['image'].name}') is drawn at random; 'plain' is not"
    if needed != {POOLED}:
        return f"{', '.join(sorted(needed - {POOLED}))} would fill the disk"
    if not _does_without_images(model, objective, views["image"], batch):
        return f"objective '{stage.objective.name}' looks at the radiographs themselves"
    return ""


def _does_without_images(model: Model, objective: Objective, view: View, batch: Batch) -> bool:
    """Try it on the meta device."""
    pixels = view.sizes("image")
    fed = {name: value for name, value in batch.items() if name not in pixels}
    fed[POOLED] = torch.empty(len(batch["rows"]), model.width(POOLED), device="meta")
    try:
        objective(model, fed)
        if objective.predicts:
            objective.predict(model, fed)
    except (KeyError, NotImplementedError):  # a missing view, or an operation that meta tensors do not have
        return False
    return True

"""Pictures of what an objective hides and restores, while it learns and at the end."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import torch

from medvl.engine.context import StageContext
from medvl.engine.stage_data import StageData
from medvl.engine.trainable import Trainable
from medvl.models.distributed import apart
from medvl.runs import folder as names
from medvl.runs.curves import write_figure
from medvl.runs.reconstructions import plot_reconstructions, restored_cases

CASES = 4


@torch.no_grad()
def draw_reconstructions(context: StageContext, trainable: Trainable, data: StageData, step: int | None = None) -> None:
    """`figures/reconstruction-STEP.png`, at the end `figures/reconstruction.png`, by the leading process alone.

    It shows the same validation cases each time, or training cases where there are none, with the same parts hidden.

    Args:
        context, data: of the stage.
        trainable: in evaluation mode; its objective reconstructs.
        step: optimiser steps done; None for the weights that the stage ends with.
    """
    rows = data.splits.get("val", data.train)
    if not len(rows):
        rows = data.train
    chosen = np.unique(np.linspace(0, len(rows) - 1, CASES).round().astype(int))
    with apart(), closing(context.own_feeder(data.cases(rows[chosen])).once()) as batches:
        found = []
        for batch in batches:
            with context.fabric.autocast():
                found.append(trainable.objective.reconstruction(trainable.model, batch))
    text = trainable.model.text
    cases = [case for part in found for case in restored_cases(part, None if text is None else text.tokenizer)]
    when, name = ("", "reconstruction") if step is None else (f", step {step}", f"reconstruction-{step:06d}")
    title = f"{context.stage.name}: hidden and restored{when}"
    write_figure(plot_reconstructions(cases, title=title), context.folder / names.FIGURES / f"{name}.png")

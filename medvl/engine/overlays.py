"""Pictures at the end of a stage that segments: of each finding the best, middling and worst outlines."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import torch

from medvl.contract import THRESHOLDS
from medvl.data.feed import Feeder
from medvl.engine.assemble import build_views
from medvl.engine.context import StageContext
from medvl.engine.stage_data import StageData
from medvl.engine.trainable import Trainable
from medvl.evaluate.base import Cases
from medvl.evaluate.overlap import overlap
from medvl.models.distributed import apart
from medvl.runs import folder as names
from medvl.runs.curves import write_figure
from medvl.runs.overlays import Panel, plot_overlays

QUANTILES = (1.0, 0.75, 0.5, 0.0)  # of the images that have the finding, by Dice
FINDINGS = 4  # rows of a picture
HALF = THRESHOLDS.index(0.5)


def draw_overlays(context: StageContext, trainable: Trainable, data: StageData, cases: Cases, split: str) -> None:
    """`figures/overlays-SPLIT.png`, by the leading process alone.

    Args:
        context, data: of the stage.
        trainable: in evaluation mode; its objective segments.
        cases: the split's predictions.
        split: whose cases they are.
    """
    findings = data.spec.masks[:FINDINGS]
    shown = [_chosen(cases, finding, len(data.spec.masks)) for finding in range(len(findings))]
    if not any(shown):
        return
    places = sorted({place for chosen in shown for place, _ in chosen})
    images, masks, called = _seen(context, trainable, data, cases.rows[places])
    rows = {}
    for finding, (name, chosen) in enumerate(zip(findings, shown, strict=True)):
        at = [(places.index(place), title) for place, title in chosen]
        rows[name] = [Panel(images[i], masks[i, finding], called[i, finding] > 0.5, title) for i, title in at]
    title = f"{context.stage.name}: {split}"
    write_figure(plot_overlays(rows, title=title), context.folder / names.FIGURES / f"overlays-{split}.png")


def _chosen(cases: Cases, finding: int, findings: int) -> list[tuple[int, str]]:
    """Positions of cases that show what a finding's Dice means, and what stands above each."""
    both, predicted = (
        cases.outputs[name].reshape(len(cases.rows), findings, -1)[:, finding, HALF]
        for name in ("intersection", "predicted")
    )
    scores = overlap("dice", both, predicted, cases.outputs["reference"][:, finding])
    ranked = [place for place in np.argsort(scores, kind="stable").tolist() if not np.isnan(scores[place])]
    places = [ranked[round(quantile * (len(ranked) - 1))] for quantile in QUANTILES if ranked]
    chosen = [(place, f"Dice {scores[place]:.2f}") for place in dict.fromkeys(places)]
    without = np.flatnonzero(np.isnan(scores))
    if len(without):
        worst = int(without[predicted[without].argmax()])
        chosen.append((worst, "without, most predicted" if predicted[worst] else "without, none predicted"))
    return chosen


@torch.no_grad()
def _seen(
    context: StageContext, trainable: Trainable, data: StageData, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images (n, H, W), masks (n, K, H, W) bool and probabilities (n, K, H, W) of these rows."""
    views = {name: view for name, view in build_views(context.stage).items() if name in context.plan.views}
    device = context.fabric.device
    feeder = Feeder(data.cases(rows), views, batch_size=len(rows), device=device, seed=context.seed)
    with apart(), closing(feeder.once()) as batches:
        batch = next(batches)
        with context.fabric.autocast():
            called = trainable.objective.probabilities(trainable.model, batch)
    parts = (batch["image"][:, 0].float(), batch["mask"], called.float())
    images, masks, probabilities = (part.cpu().numpy() for part in parts)
    return images, masks, probabilities

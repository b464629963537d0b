"""Pictures at the end of a stage whose maps were judged: of each finding the best, middling and worst."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from medvl.engine.context import StageContext
from medvl.engine.stage_data import StageData
from medvl.evaluate.base import SALIENCY, Cases
from medvl.evaluate.grounding import Grounding
from medvl.models.distributed import apart
from medvl.runs import folder as names
from medvl.runs.curves import write_figure
from medvl.runs.heatmaps import Looked, plot_heatmaps

QUANTILES = (1.0, 0.75, 0.5, 0.0)  # of a finding's cases, by overlap
FINDINGS = 8  # rows of a picture


def draw_heatmaps(context: StageContext, data: StageData, evaluator: Grounding, cases: Cases, stem: str) -> None:
    """`figures/STEM.png`, by the leading process alone; nothing where no case has a box.

    Args:
        context, data: of the stage.
        evaluator: judges the maps.
        cases: what it was given.
        stem: of the file.
    """
    overlaps = evaluator.listed(cases)["iou"]
    findings = cases.fields["boxed"][:, 1]
    shown = {
        label: _chosen(np.flatnonzero(findings == number), overlaps)
        for number, label in enumerate(evaluator.labels)
        if (findings == number).any()
    }
    if not shown:
        return
    shown = dict(list(shown.items())[:FINDINGS])
    maps = sorted({number for chosen in shown.values() for number in chosen})
    images = dict(zip(maps, _seen(context, data, cases.rows[cases.fields["boxed"][maps, 0]]), strict=True))
    rows = {
        label: [_looked(number, images[number], cases, overlaps[number]) for number in chosen]
        for label, chosen in shown.items()
    }
    title = f"{context.stage.name}: where it looks, {evaluator.split}"
    write_figure(plot_heatmaps(rows, title=title), context.folder / names.FIGURES / f"{stem}.png")


def _chosen(maps: np.ndarray, overlaps: np.ndarray) -> list[int]:
    ranked = maps[np.argsort(overlaps[maps], kind="stable")]
    return list(dict.fromkeys(int(ranked[round(quantile * (len(ranked) - 1))]) for quantile in QUANTILES))


def _looked(number: int, image: np.ndarray, cases: Cases, overlap: float) -> Looked:
    boxes = cases.fields["boxes"]
    return Looked(image, cases.outputs[SALIENCY][number], boxes[boxes[:, 0] == number, 1:], f"IoU {overlap:.2f}")


def _seen(context: StageContext, data: StageData, rows: np.ndarray) -> list[np.ndarray]:
    """What the model sees of these rows, (H, W) each."""
    view = context.plan.views[0]
    with apart(), closing(context.own_feeder(data.pixels(rows)).once()) as batches:
        return [image for batch in batches for image in batch[view][:, 0].float().cpu().numpy()]

"""Which regions of the radiograph speak for a finding (Grad-CAM; Dalla Serra 2022, Figure 3)."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import ClassVar
from xml.etree.ElementTree import Element

import numpy as np
import torch

from medvl.engine.saliency import logits_of
from medvl.evaluate.localisation import localised
from medvl.explain.case import Case
from medvl.explain.choice import foremost
from medvl.explain.map_figure import map_figure
from medvl.explain.markup import element
from medvl.explain.panel import Panel, Shown
from medvl.explain.pictures import heat_uri
from medvl.explain.radiograph import radiograph
from medvl.explain.subject import Subject
from medvl.models.grad_cam import PACKAGE, grad_cam
from medvl.runs.heat import of_largest

FINDINGS = 6  # to choose from
FIGURE_FINDINGS = 4
REGION = 0.5  # of a map's largest value, as of evaluator `grounding`


@dataclass(frozen=True)
class Look:
    """Where the model looks for a finding, how probable it finds it, and what a reader is told."""

    finding: str
    cells: np.ndarray
    told: str


class SalientRegions(Panel):
    """A map for each of the likeliest findings: the cells whose features raise its logit."""

    title: ClassVar[str] = "Regions that speak for a finding"
    about: ClassVar[str] = (
        "Grad-CAM. Choose a finding (arrow keys go through them): bright is what raises its logit most, each on "
        "a scale of its own. Boxes are the data's, not the model's; IoU is that of the boxes with the region above "
        "half of the map's largest value. A bright region says what the classifier used, not that the finding is there."
    )

    def lacks(self, subject: Subject) -> str | None:
        """Needs logits of findings, an image encoder that tells its cells, and captum."""
        image = subject.trainable.model.image
        if "logits" not in subject.trainable.objective.predicts:
            return "its objective predicts no findings"
        if image is None or image.cells() is None:
            return "its image encoder does not tell where the image lies in cells"
        if importlib.util.find_spec(PACKAGE) is None:
            return f"package {PACKAGE} is not installed. do: pip install 'medvl[grounding]'"
        return None

    def show(self, subject: Subject) -> list[Shown]:
        """Findings to choose from beside the radiograph, and a picture of the first ones."""
        shown = []
        for case in subject.cases:
            looks = _looks(subject, case)
            maps = {f"{look.finding}: {look.told}": of_largest(look.cells) for look in looks[:FIGURE_FINDINGS]}
            picture = map_figure(case, maps, [look.finding for look in looks[:FIGURE_FINDINGS]])
            shown.append(Shown(_chooser(case, looks), {f"regions-{case.key}.png": picture}))
        return shown


def _looks(subject: Subject, case: Case) -> list[Look]:
    """The foremost findings and their maps."""
    trainable, labels = subject.trainable, subject.trained.labels
    probabilities = subject.predict(np.array([case.row]), "logits")[0].sigmoid().tolist()
    order = foremost(case, labels, probabilities, FINDINGS)
    batch, view = subject.repeated(case.row, len(order)), subject.trained.plan.views[0]
    cells = trainable.model.image.cells() if trainable.model.image is not None else None
    assert cells is not None  # `lacks` has asked
    maps = grad_cam(cells, logits_of(trainable, batch, view), batch[view], torch.tensor(order)).numpy()
    return [
        Look(labels[k], one, _told(case, labels[k], probabilities[k], one)) for k, one in zip(order, maps, strict=True)
    ]


def _told(case: Case, finding: str, probability: float, cells: np.ndarray) -> str:
    boxes = [(0, box.x, box.y, box.width, box.height) for box in case.boxes if box.label == finding]
    told = f"probability {probability:.2f}"
    if cells.max() <= 0:
        return f"{told}, no region speaks for it"
    if not boxes:
        return told
    overlaps, hits, _ = localised(cells[None], np.array(boxes, float), REGION)
    return f"{told}, IoU {overlaps[0]:.2f}, brightest {'inside' if hits[0] else 'outside'} the box"


def _chooser(case: Case, looks: list[Look]) -> Element:
    heats = [heat_uri(of_largest(look.cells)) for look in looks]
    overlay = element("img", class_="map", src=heats[0], alt="regions that speak for the chosen finding")
    chips: list[Element | str] = []
    for place, (look, heat) in enumerate(zip(looks, heats, strict=True)):
        chosen = {"checked": "checked"} if place == 0 else {}
        radio = element("input", type="radio", name=f"region-{case.key}", data_map=heat, data_told=look.told, **chosen)
        chips += [element("label", radio, element("span", look.finding)), " "]
    said = element("p", element("output", looks[0].told), class_="told")
    return element(
        "div", radiograph(case, overlay), element("div", element("p", *chips, class_="words"), said), class_="look"
    )

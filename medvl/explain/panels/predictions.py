"""The probability of each finding beside what the case is labelled with."""

from __future__ import annotations

import math
from typing import ClassVar
from xml.etree.ElementTree import Element

from medvl.explain.markup import element
from medvl.explain.panel import Panel, Shown
from medvl.explain.subject import Subject

TRUTHS = {1.0: "present", 0.0: "absent"}


class PredictedFindings(Panel):
    """A bar for each finding."""

    title: ClassVar[str] = "Predicted findings"
    about: ClassVar[str] = "Bars are probabilities; findings that the case has are in bold, unknown ones in gray."

    def lacks(self, subject: Subject) -> str | None:
        """Needs an objective that predicts logits of the data's findings."""
        predicts = subject.trainable.objective.predicts
        return None if "logits" in predicts else "its objective predicts no findings"

    def show(self, subject: Subject) -> list[Shown]:
        """Findings from the most probable to the least."""
        logits = subject.predict(subject.rows, "logits")
        return [
            Shown(_bars(dict(zip(subject.trained.labels, one.sigmoid().tolist(), strict=True)), case.labels))
            for one, case in zip(logits, subject.cases, strict=True)
        ]


def _bars(probabilities: dict[str, float], labels: dict[str, float]) -> Element:
    rows = []
    for name, probability in sorted(probabilities.items(), key=lambda item: -item[1]):
        value = labels.get(name, math.nan)
        truth = TRUTHS.get(value, "unknown")
        bar = element("meter", min="0", max="1", value=f"{probability:.4f}")
        cells = (element("th", name, scope="row"), element("td", bar), element("td", f"{probability:.2f}"))
        rows.append(element("tr", *cells, element("td", truth), class_=truth))
    return element("table", element("tbody", *rows), class_="bars")

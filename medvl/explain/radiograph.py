"""A case's radiograph for the page, with its boxes drawn over it."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from medvl.explain.case import Case
from medvl.explain.markup import element
from medvl.explain.pictures import radiograph_uri
from medvl.runs.heatmaps import BOX_COLOUR


def radiograph(case: Case, *over: Element) -> Element:
    """The image that the model sees, what lies over it, and the boxes of its findings on top."""
    image = element("img", src=radiograph_uri(case.pixels), alt=f"radiograph of case {case.key}")
    return element("div", image, *over, _boxes(case), class_="radiograph")


def findings_line(case: Case) -> Element:
    """What the case is labelled with."""
    if not case.labels:
        return element("p", "no labels", class_="findings")
    return element("p", "labelled: ", ", ".join(case.positives) or "nothing positive", class_="findings")


def _boxes(case: Case) -> Element:
    """In units of a thousandth of the side, so that names can be written."""
    marks = []
    for box in case.boxes:
        x, y, width, height = (f"{1000 * side:.0f}" for side in (box.x, box.y, box.width, box.height))
        marks.append(element("rect", element("title", box.label), x=x, y=y, width=width, height=height))
        above = f"{max(1000 * box.y - 10, 34):.0f}"
        marks.append(element("text", box.label, x=x, y=above, fill=BOX_COLOUR, stroke="none", font_size="34"))
    lines: dict[str, str | float] = {"fill": "none", "stroke": BOX_COLOUR, "stroke_width": 5}
    return element("svg", *marks, viewBox="0 0 1000 1000", role="img", aria_label="boxes of findings", **lines)

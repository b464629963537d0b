"""The reports that an image finds, and the images that a report finds (MedViLL, Moon 2022, Figure 6)."""

from __future__ import annotations

from typing import ClassVar
from xml.etree.ElementTree import Element

from medvl.evaluate.pools import IMAGE_TO_REPORT, REPORT_TO_IMAGE
from medvl.explain.candidates import Candidate, best_candidates
from medvl.explain.markup import element
from medvl.explain.panel import Panel, Shown
from medvl.explain.radiograph import findings_line, radiograph
from medvl.explain.subject import Subject

TITLES = {IMAGE_TO_REPORT: "Reports for this image", REPORT_TO_IMAGE: "Images for this report"}


class RetrievedCases(Panel):
    """The best candidates for each case, both ways."""

    title: ClassVar[str] = "Retrieved cases"
    about: ClassVar[str] = (
        "Best first, with the score. A candidate is right where its positive findings are the query's; the query's own "
        "partner is marked. Candidates are those of the stage's evaluation where it listed them, and else the cases of "
        "this page with others of the split."
    )

    def lacks(self, subject: Subject) -> str | None:
        """Needs an objective that compares images with texts, texts, and labels to judge by."""
        objective = subject.trainable.objective
        if not (objective.aligns or objective.scores_pairs):
            return "its objective compares no images with texts"
        if not subject.has_texts:
            return "the data gives the stage no text"
        if not subject.cases[0].labels:
            return "the data has no labels that would tell right from wrong"
        return None

    def show(self, subject: Subject) -> list[Shown]:
        """Reports for the image, then images for the report."""
        return [
            Shown(element("div", *(_list(way, candidates) for way, candidates in ways.items())))
            for ways in best_candidates(subject)
        ]


def _list(way: str, candidates: list[Candidate]) -> Element:
    items = []
    for found in candidates:
        verdict = f"{'✓ right' if found.right else '✗ wrong'} · {found.score:.2f}{' · its own' if found.own else ''}"
        report = element("p", found.case.text or "(no text)")
        what = report if way == IMAGE_TO_REPORT else radiograph(found.case)
        kind = "right" if found.right else "wrong"
        items.append(
            element("li", element("p", verdict, class_="verdict"), what, findings_line(found.case), class_=kind)
        )
    return element("div", element("h4", TITLES[way]), element("ol", *items, class_="retrieved"))

"""What the words and the regions of a case contribute to a finding, on one scale."""

from __future__ import annotations

from typing import ClassVar
from xml.etree.ElementTree import Element

import numpy as np
from torch import Tensor

from medvl.explain.case import Case
from medvl.explain.choice import foremost
from medvl.explain.contributions import Contributions, contributions
from medvl.explain.map_figure import map_figure
from medvl.explain.markup import element
from medvl.explain.panel import Panel, Shown
from medvl.explain.pictures import heat_uri
from medvl.explain.radiograph import radiograph
from medvl.explain.subject import Subject
from medvl.explain.words import Word, words_of

FINDINGS = 3
RAISES, LOWERS = "201,64,48", "48,96,201"  # red, green, blue


class WordsAndRegions(Panel):
    """The text in colours beside a map of the radiograph, for each of the foremost findings."""

    title: ClassVar[str] = "What words and regions contribute"
    about: ClassVar[str] = (
        "Each word is left out of the text in turn, and each cell of the radiograph painted gray: how much the "
        "finding's logit falls is the contribution. Words in red raise the finding, words in blue lower it, and bright "
        "cells raise it, all on one scale; the numbers of words appear under the pointer. Parts that say the same "
        "stand in for each other, and then each of them looks small."
    )

    def lacks(self, subject: Subject) -> str | None:
        """Needs logits of findings from an image and a text."""
        if "logits" not in subject.trainable.objective.predicts:
            return "its objective predicts no findings"
        if not subject.trained.plan.reads_text or not subject.has_texts:
            return "the model reads no text beside the image"
        return None

    def show(self, subject: Subject) -> list[Shown]:
        """The foremost findings of each case, one below the other, and a picture of their maps."""
        return [self._show(subject, case) for case in subject.cases]

    def _show(self, subject: Subject, case: Case) -> Shown:
        trained, text = subject.trained, subject.trainable.model.text
        assert text is not None  # `lacks` has asked
        words = words_of(case.text, text.tokenizer)
        found = contributions(subject.trainable, subject.batch(case.row), words, trained.plan.views[0])
        probabilities = found.logits.sigmoid().tolist()
        parts, maps = [], {}
        numbers = foremost(case, trained.labels, probabilities, FINDINGS)
        for number in numbers:
            told = _told(trained.labels[number], found, number)
            largest = _largest(found, number)
            cells = found.regions[..., number].clamp(min=0).numpy() / largest
            maps[told] = cells
            parts.append(_finding(case, words, found.words[:, number] / largest, found.words[:, number], cells, told))
        picture = map_figure(case, maps, [trained.labels[number] for number in numbers])
        return Shown(element("div", *parts), {f"contributions-{case.key}.png": picture})


def _largest(found: Contributions, number: int) -> float:
    """Of all words and cells, so that both have one scale."""
    parts = [found.regions[..., number].flatten(), found.words[:, number]]
    return max(max(float(part.abs().max()) for part in parts if len(part)), 1e-12)


def _told(finding: str, found: Contributions, number: int) -> str:
    whole, no_text, no_image = (
        float(logits[number].sigmoid()) for logits in (found.logits, found.without_text, found.without_image)
    )
    return f"{finding}: {whole:.2f}; without the text {no_text:.2f}, without the image {no_image:.2f}"


def _finding(case: Case, words: list[Word], shares: Tensor, values: Tensor, cells: np.ndarray, told: str) -> Element:
    overlay = element("img", class_="map", src=heat_uri(cells), alt=f"cells that raise the finding; {told}")
    spans: list[Element | str] = []
    end = 0
    for word, share, value in zip(words, shares.tolist(), values.tolist(), strict=True):
        spans.append(case.text[end : word.start])
        end = word.stop
        colour = f"background:rgba({RAISES if value > 0 else LOWERS},{0.75 * abs(share):.2f})"
        spans.append(element("span", word.text, style=colour, title=f"{value:+.2f}"))
    spans.append(element("span", case.text[end:], class_="unread", title="cut off: the model does not read it"))
    told_of = element("div", element("p", told, class_="told"), element("p", *spans))
    return element("div", radiograph(case, overlay), told_of, class_="look")

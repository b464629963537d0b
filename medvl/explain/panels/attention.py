"""Where on the radiograph each word of the text looks (MedViLL, Moon 2022, Figure 5a)."""

from __future__ import annotations

from typing import ClassVar
from xml.etree.ElementTree import Element

import numpy as np

from medvl.explain.case import Case
from medvl.explain.map_figure import map_figure
from medvl.explain.markup import element
from medvl.explain.panel import Panel, Shown
from medvl.explain.pictures import heat_uri
from medvl.explain.radiograph import radiograph
from medvl.explain.subject import Subject
from medvl.explain.word_maps import column_maps
from medvl.explain.words import Word, telling, words_of

FIGURE_WORDS = 4


class Attention(Panel):
    """A map for each word: the joint transformer's attention from the word to the cells of the image."""

    title: ClassVar[str] = "Attention of words over the image"
    about: ClassVar[str] = (
        "Choose a word (arrow keys go through them). Bright is where it looks most, each word on a scale of its own; "
        "the line below says how much of its attention is on the image at all. Boxes are the data's, not the model's. "
        "Attention shows what a layer reads, not what a decision rests on."
    )

    def lacks(self, subject: Subject) -> str | None:
        """Needs a fusion that tells where cells and words stand, a transformer that shows attention, and texts."""
        model = subject.trainable.model
        if model.fusion is None or model.text is None:
            return "the model joins no image with words"
        if not subject.has_texts:
            return "the data gives the stage no text"
        if "attentions" not in model.text.capabilities or model.fusion.places(model, 2) is None:
            return "its fusion has no joint sequence of words and cells of the image"
        return None

    def show(self, subject: Subject) -> list[Shown]:
        """Words to choose from beside the radiograph, and a picture of the most telling ones."""
        return [self._show(subject, case) for case in subject.cases]

    def _show(self, subject: Subject, case: Case) -> Shown:
        model, asked = subject.trainable.model, subject.asked
        assert model.text is not None
        words = words_of(case.text, model.text.tokenizer)
        if not words:
            return Shown(element("p", "This case has no text."))
        found = column_maps(model, subject.batch(case.row), layer=asked.layer, head=asked.head, rollout=asked.rollout)
        assert found is not None  # `lacks` has asked
        maps = np.stack([found.maps[list(word.columns)].mean(0).numpy() for word in words])  # (words, h, w)
        shares = maps.sum((1, 2)).tolist()
        if max(shares) == 0:
            return Shown(element("p", "Under the attention mask of this stage words do not see the image."))
        first = telling(words, case, shares, asked.word, FIGURE_WORDS)
        body = _chooser(case, words, maps, first[0], self._whose(subject))
        return Shown(body, {f"attention-{case.key}.png": _picture(case, words, maps, first)})

    def _whose(self, subject: Subject) -> str:
        """Which attention is shown, in words."""
        asked = subject.asked
        layer = "the last layer" if asked.layer is None else f"layer {asked.layer}"
        head = "mean of all heads" if asked.head is None else f"head {asked.head}"
        return f"{'rollout up to ' if asked.rollout else ''}{layer}, {head}"


def _chooser(case: Case, words: list[Word], maps: np.ndarray, first: int, whose: str) -> Element:
    """The radiograph, a map over it, and the text as words to choose from."""
    heats = [heat_uri(_scaled(cells)) for cells in maps]
    told = [
        f"“{word.text}”: {cells.sum():.0%} of its attention is on the image"
        for word, cells in zip(words, maps, strict=True)
    ]
    overlay = element("img", class_="map", src=heats[first], alt="where the chosen word looks")
    chips: list[Element | str] = []
    end = 0
    for place, word in enumerate(words):
        chips.append(case.text[end : word.start])
        end = word.stop
        chosen = {"checked": "checked"} if place == first else {}
        radio = element(
            "input", type="radio", name=f"word-{case.key}", data_map=heats[place], data_told=told[place], **chosen
        )
        chips.append(element("label", radio, element("span", word.text)))
    chips.append(element("span", case.text[end:], class_="unread", title="cut off: the model does not read it"))
    said = element("p", element("output", told[first]), element("span", f" ({whose})"), class_="told")
    return element(
        "div", radiograph(case, overlay), element("div", element("p", *chips, class_="words"), said), class_="look"
    )


def _picture(case: Case, words: list[Word], maps: np.ndarray, places: list[int]) -> bytes:
    """The radiograph, and beside it the maps of some words, as PNG."""
    titled = {f"“{words[at].text}” ({maps[at].sum():.0%} on the image)": _scaled(maps[at]) for at in places}
    return map_figure(case, titled)


def _scaled(cells: np.ndarray) -> np.ndarray:
    """A map of values in [0, 1]: its smallest is 0, its largest 1; all 0 where it is flat."""
    spread = float(cells.max() - cells.min())
    return (cells - cells.min()) / spread if spread > 0 else np.zeros_like(cells)

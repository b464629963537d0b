"""What the objective hides of a case and how it restores it (MRM, Zhou 2023, Figure 3)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import ClassVar
from xml.etree.ElementTree import Element

import torch

from medvl.explain.case import Case
from medvl.explain.markup import element
from medvl.explain.panel import Panel, Shown
from medvl.explain.pictures import radiograph_uri
from medvl.explain.subject import Subject
from medvl.objectives.reconstruction import RestoredWord
from medvl.runs.reconstructions import RestoredCase, plot_reconstructions, restored_cases


class Reconstructions(Panel):
    """Removed patches and hidden words, and what is put in their place."""

    title: ClassVar[str] = "Hidden and restored"
    about: ClassVar[str] = (
        "Gray patches are removed, and the model restores them. Words in colour are hidden: green where the model "
        "restores them, red where it says another, with the hidden one behind it. What is hidden is drawn from a fixed "
        "seed. Targets that are normalised patch by patch are shown with the true mean and variance of each patch. An "
        "autoencoder removes nothing: it restores all that it sees."
    )

    def lacks(self, subject: Subject) -> str | None:
        """Needs an objective that hides and restores."""
        return None if subject.trainable.objective.reconstructs else "its objective restores nothing that it hides"

    def show(self, subject: Subject) -> list[Shown]:
        """Three pictures and the words; a file with both."""
        return [_shown(case, self._restored(subject, case)) for case in subject.cases]

    @torch.no_grad()
    def _restored(self, subject: Subject, case: Case) -> RestoredCase:
        trainable, text = subject.trainable, subject.trainable.model.text
        found = trainable.objective.reconstruction(trainable.model, subject.batch(case.row))
        return restored_cases(found, None if text is None else text.tokenizer)[0]


def _shown(case: Case, restored: RestoredCase) -> Shown:
    pictures = [
        element("figure", element("img", src=radiograph_uri(pixels), alt=name), element("figcaption", name))
        for name, pixels in restored.pictures.items()
    ]
    body = element("div", element("div", *pictures, class_="restored"), _words(restored.words))
    file = io.BytesIO()
    plot_reconstructions([restored]).savefig(file, format="png")
    return Shown(body, {f"restored-{case.key}.png": file.getvalue()})


def _words(words: Sequence[RestoredWord]) -> Element:
    pieces: list[Element | str] = []
    for word in words:
        if word.told is None:
            pieces.append(f"{word.text} ")
        elif word.right:
            pieces += [element("b", word.told, class_="right", title="restored"), " "]
        else:
            pieces += [element("b", word.told, class_="wrong", title=f"hidden: {word.text}"), f" ({word.text}) "]
    return element("p", *pieces)

"""The reports that an image finds, and the images that a report finds (MedViLL, Moon 2022, Figure 6)."""

from __future__ import annotations

from contextlib import closing
from typing import ClassVar
from xml.etree.ElementTree import Element

import numpy as np
import torch

from medvl.engine.hardware import make_fabric
from medvl.engine.pair_scores import score_pools
from medvl.evaluate.pools import label_sets
from medvl.explain.markup import element
from medvl.explain.panel import Panel, Shown
from medvl.explain.radiograph import findings_line, radiograph
from medvl.explain.subject import BATCH, Case, Subject

SHOWN = 5  # candidates of a query


class RetrievedCases(Panel):
    """The best candidates for each case, both ways."""

    title: ClassVar[str] = "Retrieved cases"
    about: ClassVar[str] = (
        "Candidates are the cases of the page and others of the split; the best are shown, best first. One is right "
        "where its positive findings are the query's; the query's own partner is marked."
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
        pool = subject.pool
        scores = _scores(subject, np.array([case.row for case in pool]))  # (n, n) image i with text j
        codes = label_sets(np.array([list(case.labels.values()) for case in pool]))
        return [
            Shown(
                element(
                    "div",
                    _found("Reports for this image", pool, codes, query, scores[query], image=False),
                    _found("Images for this report", pool, codes, query, scores[:, query], image=True),
                )
            )
            for query in range(len(subject.cases))
        ]


@torch.no_grad()
def _scores(subject: Subject, rows: np.ndarray) -> np.ndarray:
    """(n, n) of image i (row) with text j (column)."""
    trainable = subject.trainable
    if not trainable.objective.aligns:
        fabric = make_fabric("cpu", 1, "fp32")
        pool = np.arange(len(rows))[None]
        return score_pools(fabric, trainable, pool, lambda members: subject.feeder(rows[members]), pairs=BATCH)[0]
    sides: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    with closing(subject.feeder(rows).once()) as batches:
        for batch in batches:
            sides[0].append(trainable.objective.embed_images(trainable.model, batch))
            sides[1].append(trainable.objective.embed_texts(trainable.model, batch))
    images, texts = (torch.cat(side).float() for side in sides)
    return (images @ texts.T).numpy()


def _found(title: str, pool: list[Case], codes: np.ndarray, query: int, scores: np.ndarray, *, image: bool) -> Element:
    """The best candidates as a list."""
    items = []
    for place in np.argsort(-scores, kind="stable")[:SHOWN]:
        case, right = pool[place], bool(codes[place] == codes[query])
        verdict = f"{'✓ right' if right else '✗ wrong'} · {scores[place]:.2f}{' · its own' if place == query else ''}"
        what = radiograph(case) if image else element("p", case.text or "(no text)")
        items.append(
            element("li", element("p", verdict, class_="verdict"), what, findings_line(case),
                    class_="right" if right else "wrong")
        )  # fmt: skip
    kind = "images" if image else "texts"
    return element("div", element("h4", title), element("ol", *items, class_=f"retrieved {kind}"))

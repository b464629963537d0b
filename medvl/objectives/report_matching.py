"""Image-report matching: does this report belong to this radiograph?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.models.base import Batch, Model
from medvl.objectives.corrupting import CorruptingObjective

Each = Literal["one", "both"]
Swap = Literal["report", "either"]


class ReportMatching(CorruptingObjective):
    """Tells radiographs with their own report from those with another's (Moon 2022).

    The other report is one of the batch whose positive labels differ: two reports that say the same are no wrong pair,
    whoever wrote them. Where the batch has none such, the pair stays together. The default is MedViLL's pre-training;
    its fine-tuning for retrieval is `{each: both, swap: either}`.

    It scores pairs, by the log-odds that they belong together, which the evaluator `retrieval` ranks by.

    Args:
        model: gives `joint.cls`.
        data: has labels.
        each: how often a case comes: `one` pair, right with `probability`; or `both` a right and a wrong one, which
            makes the batch twice as long, though every radiograph is still encoded once.
        swap: what a wrong pair has of the other case: its `report`, or `either` its report or its radiograph, half of
            the time each.
        probability: that the one pair is right; in [0, 1].

    Raises:
        ConfigError: the data has no labels, or the probability is out of its range.
    """

    reads: ClassVar[tuple[str, ...]] = ("labels",)
    bears_uncertain = True
    scores_pairs: ClassVar[bool] = True
    needs = ("joint.cls",)

    def __init__(
        self, model: Model, data: DataSpec, *, each: Each = "one", swap: Swap = "report", probability: float = 0.5
    ) -> None:
        super().__init__()
        if not data.labels:
            raise ConfigError(
                "objective 'report_matching' takes negatives whose labels differ, and this stage's data has none. "
                "do: choose a dataset with labels, or give its 'labels' setting another value than none"
            )
        if not 0 <= probability <= 1:
            raise ConfigError(f"probability must lie between 0 and 1, not {probability}")
        self.each, self.swap, self.probability = each, swap, probability
        self.head = nn.Linear(model.width("joint.cls"), 2)

    def forward(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """The loss of a freshly dealt batch; images, and texts that are encoded apart, are encoded once a case."""
        pairs = self.deal(batch)
        features = model(pairs.of(self.halves(model, batch)), self.needs)
        return self.judge(model, features, {"matched": pairs.matched})

    def corrupt(self, batch: Batch) -> Batch:
        """The batch of the pairs: `text.` fields of the reports, all else of the radiographs; `matched` (P,) bool says
        which of them belong together."""
        pairs = self.deal(batch)
        return pairs.of(batch) | {"matched": pairs.matched}

    def deal(self, batch: Batch) -> Pairs:
        """Which radiograph goes with which report: as many pairs as cases, or under `both` twice as many."""
        labels, device = batch["labels"], batch["labels"].device
        generator, cases = self.generator(device), len(batch["labels"])
        own = torch.arange(cases, device=device)
        chance = 0.0 if self.each == "both" else self.probability
        aligned = torch.rand(cases, generator=generator, device=device) < chance
        candidates = torch.rand(cases, cases, generator=generator, device=device).argsort(1)
        other, matched = pair_reports(own, aligned, candidates, other_labels(labels))
        dealt = Pairs(None, other, matched)
        if self.swap == "either":
            by_image = torch.rand(cases, generator=generator, device=device) < 0.5
            dealt = Pairs(torch.where(by_image, other, own), torch.where(by_image, own, other), matched)
        if self.each == "one":
            return dealt
        wrong = own if dealt.image is None else dealt.image
        right = torch.ones_like(matched)
        return Pairs(torch.cat([own, wrong]), torch.cat([own, dealt.report]), torch.cat([right, matched]))

    def judge(self, model: Model, features: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross entropy of two classes, a mean over the pairs; class 1 is a match."""
        logits = self.head(features["joint.cls"]).float()  # (P, 2)
        return {"matching": F.cross_entropy(logits, batch["matched"].long())}

    def score_pairs(self, model: Model, halves: dict[str, Tensor]) -> Tensor:
        """(P,) log-odds that image and report belong together."""
        cls = model(halves, self.needs)["joint.cls"]
        with torch.autocast(cls.device.type, enabled=False):  # in bf16 many pairs would have the very same score
            logits = self.head(cls.float())
        return logits[:, 1] - logits[:, 0]

    def exports(self, model: Model) -> dict[str, nn.Module]:
        """The encoders, the fusion, and the matching head."""
        return super().exports(model) | {"matching_head": self.head}


@dataclass(frozen=True)
class Pairs:
    """P pairs of a batch's B radiographs and reports.

    Attributes:
        image: (P,) int64, or None where pair i has radiograph i.
        report: (P,) int64.
        matched: (P,) bool, which of them belong together.
    """

    image: Tensor | None
    report: Tensor
    matched: Tensor

    def of(self, batch: Batch) -> Batch:
        """The fields (B, ...) of the cases as those of the pairs, (P, ...)."""
        rows = {True: self.report, False: self.image}
        return {
            name: value if (row := rows[name.startswith("text.")]) is None else value[row.to(value.device)]
            for name, value in batch.items()
        }


def other_labels(labels: Tensor) -> Tensor:
    """Which cases differ in their positive labels: (B, K), NaN where unknown -> (B, B) bool."""
    positive = labels == 1
    return (positive[:, None] != positive[None]).any(-1)


def pair_reports(samples: Tensor, aligned: Tensor, candidates: Tensor, differs: Tensor) -> tuple[Tensor, Tensor]:
    """A report for every radiograph: its own, or the first candidate that differs from it.

    Args:
        samples: (B,) int64, the radiographs, among N cases.
        aligned: (B,) bool, which of them keep their report.
        candidates: (B, C) int64, reports to try, from the left.
        differs: (N, N) bool, whether two cases are different enough to be a wrong pair.

    Returns:
        (B,) int64 reports, and (B,) bool which of them are the radiograph's own.
    """
    places = torch.arange(candidates.shape[1], device=candidates.device)
    tried = differs[samples].gather(1, candidates)  # (B, C)
    first = torch.where(tried, places, len(places)).amin(1)  # (B,), C where none differs
    other = candidates.gather(1, first.clamp(max=len(places) - 1)[:, None])[:, 0]
    matched = aligned | (first == len(places))
    return torch.where(matched, samples, other), matched

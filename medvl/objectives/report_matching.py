"""Image-report matching: does this report belong to this radiograph?"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.models.base import Batch, Model
from medvl.objectives.corrupting import CorruptingObjective


class ReportMatching(CorruptingObjective):
    """Tells radiographs with their own report from those with another's (Moon 2022).

    The other report is one of the batch whose positive labels differ: two reports that say the same are no wrong pair,
    whoever wrote them. Where the batch has none such, the pair stays together.

    Args:
        model: gives `joint.cls`.
        data: has labels.
        probability: that a radiograph keeps its report; in [0, 1].

    Raises:
        ConfigError: the data has no labels, or the probability is out of its range.
    """

    reads: ClassVar[tuple[str, ...]] = ("labels",)
    needs = ("joint.cls",)

    def __init__(self, model: Model, data: DataSpec, *, probability: float = 0.5) -> None:
        super().__init__()
        if not data.labels:
            raise ConfigError(
                "objective 'report_matching' takes negatives whose labels differ, and this stage's data has none. "
                "do: choose a dataset with labels, or give its 'labels' setting another value than none"
            )
        if not 0 <= probability <= 1:
            raise ConfigError(f"probability must lie between 0 and 1, not {probability}")
        self.probability = probability
        self.head = nn.Linear(model.width("joint.cls"), 2)

    def corrupt(self, batch: Batch) -> Batch:
        """Reports dealt out anew: every field that begins with `text.`; `matched` (B,) bool says whose is its own."""
        labels, device = batch["labels"], batch["labels"].device
        generator, cases = self.generator(device), len(batch["labels"])
        aligned = torch.rand(cases, generator=generator, device=device) < self.probability
        candidates = torch.rand(cases, cases, generator=generator, device=device).argsort(1)
        report, matched = pair_reports(torch.arange(cases, device=device), aligned, candidates, other_labels(labels))
        texts = {name: value[report] for name, value in batch.items() if name.startswith("text.")}
        return batch | texts | {"matched": matched}

    def judge(self, model: Model, features: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross entropy of two classes, a mean over the batch; class 1 is a match."""
        logits = self.head(features["joint.cls"]).float()  # (B, 2)
        return {"matching": F.cross_entropy(logits, batch["matched"].long())}

    def exports(self, model: Model) -> dict[str, nn.Module]:
        """The encoders, the fusion, and the matching head."""
        return super().exports(model) | {"matching_head": self.head}


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

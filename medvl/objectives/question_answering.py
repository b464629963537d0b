"""Visual question answering: each answer is a class, told from one joint feature of radiograph and question."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from medvl.contract import DataSpec
from medvl.data.answers import UNSEEN
from medvl.errors import ConfigError
from medvl.models.base import Batch, Model
from medvl.objectives.base import Objective


class QuestionAnswering(Objective):
    """Chooses one of K answers that training questions have (MedViLL, Moon et al., 2022, section III).

    A hidden layer with ReLU, then a logit an answer. Questions whose answer is no class teach nothing under
    `cross_entropy`; under `bce` they teach that no class is right.

    Args:
        model: gives the feature.
        data: its answers are the columns of the logits.
        feature: (B, D) what answers are told from; `joint.cls`, or another that the fusion gives.
        loss: `cross_entropy` over the answers; or `bce`, each of them right or wrong by itself, a mean over all (B, K).
        hidden: width of the hidden layer; twice that of the feature where None.
        dropout: on the hidden layer, in [0, 1).

    Raises:
        ConfigError: the cases are no questions, or the model does not give the feature.
    """

    smoke: ClassVar[dict[str, int]] = {"hidden": 32}
    reads: ClassVar[tuple[str, ...]] = ("answers",)
    predicts: ClassVar[tuple[str, ...]] = ("answer",)

    def __init__(
        self,
        model: Model,
        data: DataSpec,
        *,
        feature: str = "joint.cls",
        loss: Literal["cross_entropy", "bce"] = "cross_entropy",
        hidden: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not data.answers:
            raise ConfigError(
                "objective 'vqa' learns to answer questions, and the cases are none. "
                "do: choose a dataset with questions, and text: question"
            )
        width = model.width(feature)
        hidden = hidden or 2 * width
        self.needs = (feature,)
        self.loss = loss
        self.head = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, len(data.answers))
        )

    def forward(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """The loss over `batch["answers"]` (B,) int64, -1 where an answer is no class, under the name `vqa`."""
        return {"vqa": answer_loss(self.logits(model, batch), batch["answers"], self.loss)}

    def predict(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """{"answer": (B,) int64}, the number of the likeliest."""
        return {"answer": self.logits(model, batch).argmax(1)}

    def logits(self, model: Model, batch: Batch) -> Tensor:
        """(B, K) float32."""
        return self.head(model(batch, self.needs)[self.needs[0]]).float()

    def exports(self, model: Model) -> dict[str, nn.Module]:
        """The encoders, the fusion, and the head."""
        return super().exports(model) | {"head": self.head}


def answer_loss(logits: Tensor, answers: Tensor, kind: Literal["cross_entropy", "bce"]) -> Tensor:
    """Scalar loss of (B, K) logits and (B,) classes, `UNSEEN` where there is none; 0 where all are (cross entropy)."""
    known = answers != UNSEEN
    if kind == "cross_entropy":
        total = F.cross_entropy(logits, answers, ignore_index=UNSEEN, reduction="sum")
        return total / known.sum().clamp(min=1)
    right = F.one_hot(answers.clamp(min=0), logits.shape[1]) * known[:, None]
    return F.binary_cross_entropy_with_logits(logits, right.to(logits.dtype))

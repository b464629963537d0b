"""Binary cross entropy over several labels, some of them unknown."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.contract import DataSpec
from medvl.errors import ConfigError, unknown

Values = tuple[float, ...] | dict[str, float]


class BinaryCrossEntropy(nn.Module):
    """Binary cross entropy on logits; unknown labels (NaN) count neither in the sum nor in the mean.

    Loss of case b and label k: `-class_weight[k] * (positive_weight[k] * y * log p + (1 - y) * log(1 - p))`.

    Args:
        data: gives the training counts that weights are made of; where it has none yet, such weights are 1.
        positive_weight: factor of positive cases, per label. `cases_per_positive` is the number of training cases
            over that of positives (MMBT, Kiela 2019), `negatives_per_positive` that of negatives over that of
            positives (MedViLL, Moon 2022); a label without positives counts as if it had one. Or the K values, or a
            mapping of all labels to theirs.
        class_weight: factor of a label. `complement_frequency` is 1 - positives / cases (ChestBERT, Jacenkow
            2022). Or values, as above.
        reduction: `mean` over known labels, or `sum_over_labels`: that mean times K.

    Raises:
        ConfigError: a list of weights whose length is not the number of labels, or a mapping of other labels.
    """

    positive_weight: Tensor  # (K,)
    class_weight: Tensor  # (K,)

    def __init__(
        self,
        data: DataSpec,
        *,
        positive_weight: Literal["none", "cases_per_positive", "negatives_per_positive"] | Values = "none",
        class_weight: Literal["none", "complement_frequency"] | Values = "none",
        reduction: Literal["mean", "sum_over_labels"] = "mean",
    ) -> None:
        super().__init__()
        self.factor = len(data.labels) if reduction == "sum_over_labels" else 1
        for name, choice in (("positive_weight", positive_weight), ("class_weight", class_weight)):
            # not saved: the same data and settings give the same weights again
            self.register_buffer(name, _weights(name, choice, data), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B, K) logits and (B, K) labels of 1, 0 and NaN -> (); 0 where no label is known."""
        logits = logits.float()  # (B, K)
        known = ~labels.isnan()  # (B, K)
        losses = F.binary_cross_entropy_with_logits(
            logits,
            torch.where(known, labels, 0).to(logits.dtype),  # a NaN target would reach the gradient through its 0
            weight=self.class_weight * known,
            pos_weight=self.positive_weight,
            reduction="sum",
        )
        return self.factor * losses / known.sum().clamp(min=1)


def _weights(name: str, choice: str | Values | list[float], data: DataSpec) -> Tensor:
    """The (K,) float32 weights that a setting asks for."""
    labels = len(data.labels)
    if isinstance(choice, dict):
        strange = [unknown("label", label, data.labels) for label in choice if label not in data.labels]
        lacking = [label for label in data.labels if label not in choice]
        if strange or lacking:
            raise ConfigError(f"{name}: " + "; ".join([*strange, *(f"'{label}' has no weight" for label in lacking)]))
        choice = [choice[label] for label in data.labels]
    if not isinstance(choice, str):
        if len(choice) != labels:
            raise ConfigError(
                f"{name} holds {len(choice)} values and the data has {labels} labels: {', '.join(data.labels)}. "
                "give one value per label, in this order"
            )
        return torch.tensor(choice, dtype=torch.float32)
    if choice == "none" or data.positives is None or data.negatives is None or data.cases is None:
        return torch.ones(labels)
    positives = torch.tensor(data.positives, dtype=torch.float32)
    if choice == "complement_frequency":
        return 1 - positives / max(data.cases, 1)
    if choice == "negatives_per_positive":
        return torch.tensor(data.negatives, dtype=torch.float32) / positives.clamp(min=1)
    return data.cases / positives.clamp(min=1)

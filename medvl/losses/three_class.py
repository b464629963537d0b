"""Cross entropy over absent, present and uncertain, finding by finding."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from medvl.contract import UNCERTAIN

UNKNOWN = -1  # the class of a label that is not counted


class ThreeClass(nn.Module):
    """Uncertain mentions as a class of their own: a softmax over uncertain, absent and present for each label
    (U-MultiClass; Irvin et al. 2019, section 3.1).

    Loss of case b and label k: `-log softmax(logits[b, k])[c]`, c = 0, 1, 2 where the label is -1, 0, 1; the mean over
    known labels. It wants the label policy `multi_class`, and is judged by `decide`, as the paper does.
    """

    classes = 3
    tells_uncertain = True

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B, 3K) logits, three to a label, and (B, K) labels of 1, 0, -1 and NaN -> (); 0 where no label is known."""
        target = (labels - UNCERTAIN).nan_to_num(nan=UNKNOWN).long()  # (B, K)
        total = F.cross_entropy(_by_label(logits).movedim(-1, 1), target, ignore_index=UNKNOWN, reduction="sum")
        return total / (target != UNKNOWN).sum().clamp(min=1)

    def decide(self, logits: Tensor) -> Tensor:
        """(B, 3K) -> (B, K), whose sigmoid is the share of present in present and absent."""
        _, absent, present = _by_label(logits).unbind(-1)
        return present - absent


def _by_label(logits: Tensor) -> Tensor:
    """(B, 3K) -> (B, K, 3) float32."""
    return logits.float().unflatten(1, (-1, ThreeClass.classes))

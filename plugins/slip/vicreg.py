"""VICReg: two views of a radiograph agree without negatives."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

import medvl
from medvl import losses

from .heads import expander
from .two_views import TwoViews

# factors of the two views' variance terms: the printed formula has no halves, the code of VICReg's own authors halves
# both, and in that of Huang's first author the half stands on the second alone
VARIANCE_SHARES = {"paper": (1.0, 1.0), "reference": (0.5, 0.5), "released": (1.0, 0.5)}


class VICReg(TwoViews):
    """VICReg (Bardes 2022) as in Huang 2023.

    Args:
        model: gives a pooled image.
        preset: whose variance term: the `paper`'s, that of VICReg's own code (`reference`: half of it), or that of the
            first author's `released` code (half of the second view's).
        dim: width of the expander's three layers.
        invariance, variance, covariance: factors of the three terms, at least 0.

    Raises:
        ConfigError: a factor below 0.
    """

    smoke: ClassVar[dict[str, int]] = {"dim": 64}

    def __init__(
        self,
        model: medvl.Model,
        *,
        preset: Literal["paper", "reference", "released"] = "paper",
        dim: int = 8192,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
    ) -> None:
        super().__init__(expander(model.width("image.pooled"), dim))
        self.loss = losses.VICReg(
            invariance=invariance,
            variance=variance,
            covariance=covariance,
            variance_shares=VARIANCE_SHARES[preset],
        )

    def compare(self, embedded: dict[str, Tensor]) -> dict[str, Tensor]:
        """The terms over the cases of all processes: `invariance`, `variance`, `covariance`."""
        return self.loss.terms(*(medvl.gather_with_gradient(embedded[view]) for view in self.views))

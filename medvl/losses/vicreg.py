"""VICReg: two views agree, and their features neither collapse nor repeat each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.errors import ConfigError
from medvl.losses.info_nce import full_precision

EPS = 1e-4  # under the square root of the variance (Bardes 2022, section 4.1)


class VICReg(nn.Module):
    """Variance-invariance-covariance regularisation (Bardes 2022, equations 1 to 6); needs no negatives.

    Computes in float32 whatever the autocast. The printed variance term adds those of both views; the authors' code
    halves each, which is the default here.

    Args:
        invariance, variance, covariance: factors of the three terms, at least 0.
        variance_shares: factors of the variance terms of the first and of the second view.

    Raises:
        ConfigError: a factor below 0.
    """

    def __init__(
        self,
        *,
        invariance: float = 25.0,
        variance: float = 25.0,
        covariance: float = 1.0,
        variance_shares: tuple[float, float] = (0.5, 0.5),
    ) -> None:
        super().__init__()
        if min(invariance, variance, covariance, *variance_shares) < 0:
            raise ConfigError("invariance, variance, covariance and variance_shares must be at least 0")
        self.invariance, self.variance, self.covariance = invariance, variance, covariance
        self.variance_shares = variance_shares

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, D) and (B, D), row i of both from image i, B at least 2 -> ()."""
        return torch.stack(list(self.terms(first, second).values())).sum()

    def terms(self, first: Tensor, second: Tensor) -> dict[str, Tensor]:
        """The three terms times their factors: scalars `invariance`, `variance` and `covariance`."""
        with full_precision(first.device):
            first, second = first.float(), second.float()
            one, other = self.variance_shares
            return {
                "invariance": self.invariance * F.mse_loss(first, second),
                "variance": self.variance * (one * spread(first) + other * spread(second)),
                "covariance": self.covariance * (redundancy(first) + redundancy(second)),
            }


def spread(features: Tensor) -> Tensor:
    """How far the standard deviations stay below 1, mean over the features: (B, D) -> ()."""
    deviations = (features.var(dim=0) + EPS).sqrt()  # (D,)
    return F.relu(1 - deviations).mean()


def redundancy(features: Tensor) -> Tensor:
    """Squared covariances of different features, summed, over their number D: (B, D) -> ()."""
    rows, width = features.shape
    centred = features - features.mean(dim=0)
    covariance = centred.T @ centred / (rows - 1)  # (D, D)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / width

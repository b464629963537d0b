"""Focal and Dice loss of maps, the sum that segments pneumothoraces in MRM's released code."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.errors import ConfigError


class FocalDice(nn.Module):
    """A weighted sum of the focal loss (Lin 2017, arXiv:1708.02002, eq. 5) and the Dice loss (Milletari 2016).

    `focal: 2, dice: 1` with class weights 0 and 1 of background and finding is the released code of MRM (Zhou 2023);
    `focal: 1, gamma: 0` is half of the binary cross entropy.

    Args:
        focal: factor of the focal loss.
        dice: factor of the Dice loss.
        gamma: how much pixels that are told well count less; 0 for no focus.
        alpha: weight of positive pixels, 1 - alpha that of negative ones.
        class_weight: of each class in the Dice loss, the background's first where there is one; 1 each where None.

    Raises:
        ConfigError: a parameter out of range.
    """

    def __init__(
        self,
        *,
        focal: float = 2.0,
        dice: float = 1.0,
        gamma: float = 2.0,
        alpha: float = 0.5,
        class_weight: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("focal", focal), ("dice", dice), ("gamma", gamma)):
            if value < 0:
                raise ConfigError(f"{name} of loss 'focal_dice' is {value:g}. do: give 0 or more")
        if not 0 <= alpha <= 1:
            raise ConfigError(f"alpha of loss 'focal_dice' is {alpha:g}. do: give a share from 0 to 1")
        self.focal, self.dice, self.gamma, self.alpha, self.class_weight = focal, dice, gamma, alpha, class_weight

    def forward(
        self, logits: Tensor, targets: Tensor, exclusive: bool = False, counted: Tensor | None = None
    ) -> Tensor:
        """The sum.

        Args:
            logits, targets: (B, C, H, W), targets 1 where a class stands, else 0.
            exclusive: classes exclude each other: Dice takes a softmax over them, not a sigmoid of each. The focal loss
                is of each class alone either way, as in the released code.
            counted: (B, H, W) bool, False on pixels that are ignored, or None.

        Raises:
            ConfigError: there are not as many class weights as classes.
        """
        logits, targets = logits.float(), targets.float()
        probabilities = logits.softmax(1) if exclusive else logits.sigmoid()
        focal = focal_loss(logits, targets, gamma=self.gamma, alpha=self.alpha, counted=counted)
        return (
            self.focal * focal + self.dice * (self._weights(logits) * dice_loss(probabilities, targets, counted)).mean()
        )

    def _weights(self, logits: Tensor) -> Tensor:
        """(C,)"""
        classes = logits.shape[1]
        if self.class_weight is None:
            return logits.new_ones(classes)
        if len(self.class_weight) != classes:
            raise ConfigError(
                f"class_weight of loss 'focal_dice' holds {len(self.class_weight)} values, and there are {classes} "
                "classes. do: give one each, the background's first where there is one"
            )
        return logits.new_tensor(self.class_weight)


def focal_loss(logits: Tensor, targets: Tensor, *, gamma: float, alpha: float, counted: Tensor | None = None) -> Tensor:
    """The mean over all pixels and classes of alpha_t (1 - p_t)^gamma times the cross entropy.

    Args:
        logits, targets: (B, C, H, W), targets 0 or 1.
        gamma, alpha: see `FocalDice`.
        counted: (B, H, W) bool; a pixel that is ignored loses nothing, and is in the mean all the same.
    """
    wrong = torch.where(targets > 0.5, (-logits).sigmoid(), logits.sigmoid())  # 1 - p_t
    weight = torch.where(targets > 0.5, alpha, 1 - alpha) * wrong**gamma
    losses = weight * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (losses if counted is None else losses * counted[:, None]).mean()


def dice_loss(probabilities: Tensor, targets: Tensor, counted: Tensor | None = None, smooth: float = 1.0) -> Tensor:
    """1 - (2 sum p t + smooth) / (sum p^2 + sum t^2 + smooth) of each class, the mean over cases: (C,).

    Args:
        probabilities, targets: (B, C, H, W), targets 0 or 1.
        counted: (B, H, W) bool; pixels that are ignored are left out of the intersection alone, as in the released code
            of MRM.
        smooth: what makes an empty mask, predicted empty, a loss of 0.
    """
    both = probabilities * targets
    both = both if counted is None else both * counted[:, None]
    areas = (probabilities**2).sum((2, 3)) + (targets**2).sum((2, 3))  # (B, C)
    return (1 - (2 * both.sum((2, 3)) + smooth) / (areas + smooth)).mean(0)

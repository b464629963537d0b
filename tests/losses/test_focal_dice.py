"""Focal and Dice loss against the released code of MRM, and against their equations written out."""

import math

import pytest
import torch

from medvl.errors import ConfigError
from medvl.losses.focal_dice import FocalDice, dice_loss, focal_loss
from tests.golden_fixtures import golden

IGNORED = 255


@pytest.fixture(scope="module")
def released():
    return golden("mrm_segmentation_losses_and_dice")


def released_targets(mask):
    """Two classes; the released code clamps an ignored pixel's index, which makes it the last class."""
    foreground = (mask > 0).float()
    return torch.stack([1 - foreground, foreground], 1), mask != IGNORED


def test_released_losses_and_their_gradient(released):
    logits = released.tensors["in.logits"].requires_grad_()
    targets, counted = released_targets(released.tensors["in.mask"])
    focal = FocalDice(focal=2, dice=0)(logits, targets, True, counted)
    dice = FocalDice(focal=0, dice=1, class_weight=(0, 1))(logits, targets, True, counted)
    total = FocalDice(class_weight=(0, 1))(logits, targets, True, counted)
    released.close(focal, "out.focal")
    released.close(dice, "out.dice")
    released.close(total, "out.total")
    total.backward()
    released.close(logits.grad, "out.grad.logits")


def slow_focal(logits, targets, gamma, alpha):
    total = 0.0
    for logit, target in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit))
        right, weight = (p, alpha) if target else (1 - p, 1 - alpha)
        total -= weight * (1 - right) ** gamma * math.log(right)
    return total / logits.numel()


def slow_dice(probabilities, targets, case, label):
    both = first = second = 0.0
    pixels = (each[case, label].flatten().tolist() for each in (probabilities, targets))
    for p, t in zip(*pixels, strict=True):
        both, first, second = both + p * t, first + p * p, second + t * t
    return 1 - (2 * both + 1) / (first + second + 1)


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(2, 3, 4, 5, generator=generator)
    return logits, (torch.rand(2, 3, 4, 5, generator=generator) < 0.3).float()


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.5), (0.0, 0.5), (3.0, 0.25)])
def test_focal_is_its_equation(maps, gamma, alpha):
    logits, targets = maps
    found = focal_loss(logits, targets, gamma=gamma, alpha=alpha)
    assert found.item() == pytest.approx(slow_focal(logits, targets, gamma, alpha), rel=1e-5)


def test_dice_is_its_equation_class_by_class(maps):
    logits, targets = maps
    probabilities = logits.sigmoid()
    expected = [sum(slow_dice(probabilities, targets, case, label) for case in range(2)) / 2 for label in range(3)]
    assert dice_loss(probabilities, targets).tolist() == pytest.approx(expected, rel=1e-5)


def test_independent_classes_are_sigmoids_and_bool_masks_are_taken(maps):
    logits, targets = maps
    expected = 2 * focal_loss(logits, targets, gamma=2, alpha=0.5) + dice_loss(logits.sigmoid(), targets).mean()
    torch.testing.assert_close(FocalDice()(logits, targets.bool()), expected)


def test_an_empty_mask_that_is_predicted_empty_loses_nothing():
    empty = torch.zeros(2, 1, 4, 4)
    assert FocalDice()(empty - 100, empty).item() == pytest.approx(0, abs=1e-6)
    assert FocalDice()(empty + 3, empty).item() > 0.5


def test_extreme_logits_give_finite_gradients(maps):
    logits = (1e4 * maps[0]).requires_grad_()
    FocalDice()(logits, maps[1]).backward()
    assert logits.grad.isfinite().all()


def test_parameters_out_of_range_are_refused(maps):
    for wrong in ({"gamma": -1.0}, {"alpha": 1.5}, {"dice": -0.1}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            FocalDice(**wrong)
    with pytest.raises(ConfigError, match=r"holds 2 values, and there are 3"):
        FocalDice(class_weight=(0.0, 1.0))(*maps)

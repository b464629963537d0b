import math

import numpy as np
import pytest
import torch
from torch import nn

from medvl.contract import DataSpec
from medvl.errors import ConfigError
from medvl.losses import ThreeClass
from medvl.models.base import Model
from medvl.models.timm_encoder import TimmEncoder
from medvl.objectives.multilabel import Multilabel
from tests.golden_fixtures import golden

NAN = float("nan")


def slow(logits, labels):
    """Cross entropy of each known label's three logits: uncertain, absent, present."""
    losses = []
    for row, answers in zip(logits.tolist(), labels.tolist(), strict=True):
        for k, answer in enumerate(answers):
            if not math.isnan(answer):
                three = [math.exp(logit) for logit in row[3 * k : 3 * k + 3]]
                losses.append(-math.log(three[{-1: 0, 0: 1, 1: 2}[answer]] / sum(three)))
    return sum(losses) / max(len(losses), 1)


@pytest.mark.parametrize("unknown", [(), ((0, 1), (3, 0)), ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0))])
def test_equals_the_equation_written_out(unknown):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 6, generator=generator, requires_grad=True)
    labels = torch.randint(-1, 2, (4, 2), generator=generator).float()
    for place in unknown:
        labels[place] = NAN
    loss = ThreeClass()(logits, labels)
    assert loss.item() == pytest.approx(slow(logits, labels), rel=1e-5)
    loss.backward()
    assert torch.equal((logits.grad != 0).view(4, 2, 3).any(-1), ~labels.isnan())


def test_no_known_label_gives_zero_and_not_nan():
    logits = torch.randn(2, 3, requires_grad=True)
    loss = ThreeClass()(logits, torch.full((2, 1), NAN))
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()


@pytest.mark.parametrize("stem", ["chexpert_supervised_pieces"])
def test_golden(stem):
    fixture = golden(stem)
    loss = ThreeClass()(fixture.tensors["in.logits_three_class"], fixture.tensors["in.labels_three_class"])
    fixture.close(loss, "out.three_class_loss")


def test_it_is_judged_by_present_against_absent():
    logits = torch.tensor([[5.0, 1.0, 3.0, -2.0, 0.5, 0.0]])  # of two findings
    absent, present = np.exp([1.0, 0.5]), np.exp([3.0, 0.0])
    np.testing.assert_allclose(ThreeClass().decide(logits).sigmoid()[0], present / (present + absent), rtol=1e-6)


def test_a_classifier_learns_what_is_uncertain_and_says_what_is_present():
    """Bright is present, gray uncertain, dark absent; judged is what is left of present against absent."""
    torch.manual_seed(0)
    model = Model(image=TimmEncoder(32, model="test_resnet"))
    objective = Multilabel(model, DataSpec(labels=("bright",), uncertain=True), loss=ThreeClass())
    labels = torch.tensor([-1.0, 0.0, 1.0]).repeat(8)[:, None]
    brightness = torch.tensor([0.0, -2.0, 2.0]).repeat(8)[:, None, None, None]
    images = brightness + 0.1 * torch.randn(24, 1, 32, 32)
    batch = {"image": images, "labels": labels}
    optimizer = torch.optim.AdamW([*model.parameters(), *objective.parameters()], lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        objective(model, batch)["multilabel"].backward()
        optimizer.step()
    model.eval()
    told = objective.logits(model, batch).view(24, 3).argmax(1) - 1
    assert torch.equal(told, labels[:, 0].long())
    logits = objective.predict(model, batch)["logits"]
    assert logits.shape == (24, 1)
    assert (logits[labels == 1] > 0).all() and (logits[labels == 0] < 0).all()


def test_a_loss_over_classes_that_does_not_decide_is_refused():
    loss = nn.Identity()
    loss.classes = 2
    with pytest.raises(ConfigError, match=r"Identity wants 2 logits a label.*do: give it a method decide"):
        Multilabel(Model(image=TimmEncoder(32, model="test_resnet")), DataSpec(labels=("a",)), loss=loss)

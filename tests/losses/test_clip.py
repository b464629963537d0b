import math

import pytest
import torch
import torch.nn.functional as F

from medvl.errors import ConfigError
from medvl.losses import CLIPLoss
from tests.golden_fixtures import golden
from tests.losses.vectors import dot, vectors


@pytest.fixture(params=["slip_clip_simclr_losses"])
def fixture(request):
    return golden(request.param)


def slow(image: torch.Tensor, text: torch.Tensor, scale: float, share: float) -> float:
    rows, total = range(len(image)), 0.0
    similarity = [[math.exp(scale * dot(image[i], text[j])) for j in rows] for i in rows]
    for i in rows:
        total -= share * math.log(similarity[i][i] / sum(similarity[i]))
        total -= (1 - share) * math.log(similarity[i][i] / sum(similarity[j][i] for j in rows))
    return total / len(image)


@pytest.mark.parametrize(("scale", "share"), [(14.3, 0.5), (10.0, 0.75), (1.0, 1.0), (3.0, 0.0)])
def test_equals_the_equations_written_out(scale, share):
    image, text = vectors(6, 0), vectors(6, 1)
    loss = CLIPLoss(image_share=share)(image, text, scale)
    assert loss.item() == pytest.approx(slow(image, text, scale, share), rel=1e-5)


def test_golden(fixture):
    inputs = {name: value.clone().requires_grad_() for name, value in fixture.part("in").items()}
    image, text = (F.normalize(inputs[f"{side}_embed"], dim=1) for side in ("image", "text"))
    loss = CLIPLoss()(image, text, inputs["logit_scale_log"].exp())
    fixture.close(loss, "out.clip.loss")
    loss.backward()
    for name in ("image_embed", "text_embed", "logit_scale_log"):
        fixture.close(inputs[name].grad, f"out.clip.grad.{name}")


def test_16_bit_autocast_does_not_round_the_similarities():
    image, text = vectors(6, 0), vectors(6, 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(CLIPLoss()(image, text, 100.0), CLIPLoss()(image, text, torch.tensor(100.0)))
    assert CLIPLoss()(image.bfloat16(), text.bfloat16(), 1.0).dtype == torch.float32


@pytest.mark.parametrize("chunk", [None, 3])
def test_processes_that_score_their_own_rows_give_the_loss_of_all_in_their_mean(chunk):
    image, text = vectors(8, 0).requires_grad_(), vectors(8, 1).requires_grad_()
    scale = torch.tensor(7.0, requires_grad=True)
    expected = CLIPLoss(image_share=0.75)(image, text, scale)
    loss = CLIPLoss(image_share=0.75, chunk=chunk)
    parts = [
        loss(image[at : at + 4], text[at : at + 4], scale, images=image, texts=text, offset=at) for at in (0, 4)
    ]  # fmt: skip
    mean = torch.stack(parts).mean()
    torch.testing.assert_close(mean, expected)
    inputs = (image, text, scale)
    for ours, theirs in zip(torch.autograd.grad(mean, inputs), torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_parts_of_no_rows_are_refused():
    with pytest.raises(ConfigError, match="chunk must be at least 1, not 0"):
        CLIPLoss(chunk=0)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_shares_outside_are_refused(share):
    with pytest.raises(ConfigError, match="image_share must lie between 0 and 1"):
        CLIPLoss(image_share=share)

import math

import pytest
import torch
import torch.nn.functional as F

from medvl.errors import ConfigError
from medvl.losses import NTXent
from tests.golden_fixtures import golden
from tests.losses.vectors import dot, vectors


@pytest.fixture(params=["slip_clip_simclr_losses"])
def slip(request):
    return golden(request.param)


@pytest.fixture(params=["huang_author_losses"])
def huang(request):
    return golden(request.param)


def slow(first: torch.Tensor, second: torch.Tensor, temperature: float) -> float:
    views, total = [*first, *second], 0.0
    for i, anchor in enumerate(views):
        partner = views[(i + len(first)) % len(views)]
        others = [math.exp(dot(anchor, view) / temperature) for j, view in enumerate(views) if j != i]
        total -= math.log(math.exp(dot(anchor, partner) / temperature) / sum(others))
    return total / len(views)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_equals_the_equation_written_out(temperature):
    first, second = vectors(5, 0), vectors(5, 1)
    assert NTXent(temperature=temperature)(first, second).item() == pytest.approx(
        slow(first, second, temperature), rel=1e-5
    )


def test_golden_slip(slip):
    first, second = (slip.tensors[f"in.aug{i}_embed"].clone().requires_grad_() for i in (1, 2))
    loss = NTXent(temperature=slip.config["simclr_temperature"])(F.normalize(first, dim=1), F.normalize(second, dim=1))
    slip.close(loss, "out.simclr.loss")
    loss.backward()
    slip.close(first.grad, "out.simclr.grad.aug1_embed")
    slip.close(second.grad, "out.simclr.grad.aug2_embed")


@pytest.mark.parametrize("snapshot", ["simclr", "simclr_later"])
def test_golden_both_snapshots_of_the_authors(huang, snapshot):
    first, second = (huang.tensors[f"in.view{i}"].clone().requires_grad_() for i in (1, 2))
    temperature = huang.config["temperature_convirt_simclr"]
    loss = NTXent(temperature=temperature)(F.normalize(first, dim=1), F.normalize(second, dim=1))
    huang.close(loss, f"out.{snapshot}")
    loss.backward()
    huang.close(first.grad, f"out.grad.{snapshot}.0")
    huang.close(second.grad, f"out.grad.{snapshot}.1")


def test_16_bit_inputs_are_compared_in_full_precision():
    loss = NTXent()(vectors(4, 0).bfloat16(), vectors(4, 1).bfloat16())
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("chunk", [None, 3])
def test_processes_that_score_their_own_views_give_the_loss_of_all_in_their_mean(chunk):
    first, second = vectors(8, 0).requires_grad_(), vectors(8, 1).requires_grad_()
    expected = NTXent(temperature=0.2)(first, second)
    loss = NTXent(temperature=0.2, chunk=chunk)
    parts = [
        loss(first[at : at + 4], second[at : at + 4], firsts=first, seconds=second, offset=at) for at in (0, 4)
    ]  # fmt: skip
    mean = torch.stack(parts).mean()
    torch.testing.assert_close(mean, expected)
    inputs = (first, second)
    for ours, theirs in zip(torch.autograd.grad(mean, inputs), torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_temperatures_that_are_not_positive_are_refused():
    with pytest.raises(ConfigError, match="temperature must be above 0"):
        NTXent(temperature=0.0)
    with pytest.raises(ConfigError, match="chunk must be at least 1, not -1"):
        NTXent(chunk=-1)

"""Chunked losses equal the plain formulas, and hold less."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from medvl.errors import ConfigError
from medvl.losses import chunked_clip, chunked_info_nce, chunked_nt_xent


def vectors(rows: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, 6, generator=generator), dim=1).requires_grad_()


def plain_clip(image, text, scale):
    logits = image @ text.T * scale
    own = torch.arange(len(logits))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def plain_nt_xent(one, two, scale):
    views = torch.cat([one, two])
    logits = (views @ views.T * scale).masked_fill(torch.eye(len(views), dtype=torch.bool), float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(views)).roll(len(one)))


LOSSES = {
    "clip": (plain_clip, chunked_clip),
    "nt_xent": (plain_nt_xent, chunked_nt_xent),
}


def with_gradients(loss, *tensors):
    return loss, *torch.autograd.grad(loss, tensors)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("chunk", [1, 4, 512])
def test_value_and_gradients_are_those_of_the_plain_formula(name, chunk):
    plain, chunked = LOSSES[name]
    one, two, scale = vectors(9, 0), vectors(9, 1), torch.tensor(14.3, requires_grad=True)
    expected = with_gradients(plain(one, two, scale), one, two, scale)
    # a factor behind the loss must reach the gradients, as a weighted sum of losses has it
    found = with_gradients(3 * chunked(one, two, one, two, scale, chunk=chunk), one, two, scale)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, 3 * theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_over_processes_is_the_loss_of_all_cases(name):
    """What two processes compute, each from its own rows: their mean is the global loss and has its gradients."""
    plain, chunked = LOSSES[name]
    one, two, scale = vectors(8, 0), vectors(8, 1), torch.tensor(5.0, requires_grad=True)
    expected = with_gradients(plain(one, two, scale), one, two, scale)
    parts = [chunked(one[at : at + 4], two[at : at + 4], one, two, scale, offset=at, chunk=3) for at in (0, 4)]
    found = with_gradients(torch.stack(parts).mean(), one, two, scale)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_gradients_agree_with_finite_differences():
    rows, columns, scale = vectors(5, 0), vectors(7, 1), torch.tensor(2.0, requires_grad=True)
    step = 1e-2
    for tensor, place in ((rows, (1, 2)), (columns, (6, 0)), (scale, ())):
        (gradient,) = torch.autograd.grad(chunked_info_nce(rows, columns, scale, offset=2, chunk=2), tensor)
        values = []
        for move in (step, -step):
            with torch.no_grad():
                before = tensor[place].clone()
                tensor[place] += move
                values.append(chunked_info_nce(rows, columns, scale, offset=2, chunk=2))
                tensor[place] = before
        assert gradient[place].item() == pytest.approx(float(values[0] - values[1]) / (2 * step), abs=2e-3)


class Largest(TorchDispatchMode):
    """The largest tensor that any operation gives."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **kwargs or {})
        if isinstance(found, torch.Tensor):
            self.elements = max(self.elements, found.numel())
        return found


def test_no_matrix_of_all_pairs_is_made():
    one, two = vectors(64, 0), vectors(64, 1)
    sizes = {}
    for name, loss in (("plain", plain_nt_xent), ("chunked", chunked_nt_xent)):
        with Largest() as largest:
            (loss(one, two, 2.0) if name == "plain" else loss(one, two, one, two, 2.0, chunk=4)).backward()
        sizes[name] = largest.elements
    assert sizes["plain"] >= 128 * 128
    assert sizes["chunked"] <= 128 * 6


def test_16_bit_features_under_autocast_are_scored_in_full():
    one, two = (vectors(5, seed).detach().bfloat16() for seed in (0, 1))
    expected = chunked_clip(one.float(), two.float(), one.float(), two.float(), 14.3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = chunked_clip(one, two, one, two, 14.3)
    assert found.dtype == torch.float32 and torch.equal(found, expected)


def test_meta_gives_a_shape():
    one = torch.empty(4, 3, device="meta", requires_grad=True)
    assert chunked_nt_xent(one, one, one, one, 2.0).shape == ()


def test_what_cannot_be_is_refused():
    one = vectors(4, 0)
    with pytest.raises(ConfigError, match="chunk must be at least 1, not 0"):
        chunked_info_nce(one, one, 1.0, chunk=0)
    with pytest.raises(ConfigError, match="4 rows from column 1 on do not lie within 4 columns"):
        chunked_clip(one, one, one, one, 1.0, offset=1)

import math

import pytest
import torch
import torch.nn.functional as F

from medvl.errors import ConfigError
from medvl.losses import InfoNCE


def vectors(rows: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed)), dim=1)


def slow(query: torch.Tensor, key: torch.Tensor, negatives: torch.Tensor, temperature: float) -> float:
    total = 0.0
    for q, k in zip(query.tolist(), key.tolist(), strict=True):
        positive = math.exp(sum(a * b for a, b in zip(q, k, strict=True)) / temperature)
        others = [math.exp(sum(a * b for a, b in zip(q, n, strict=True)) / temperature) for n in negatives.tolist()]
        total -= math.log(positive / (positive + sum(others)))
    return total / len(query)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
def test_equals_the_equation_written_out(temperature):
    query, key, negatives = vectors(5, 0), vectors(5, 1), vectors(9, 2)
    loss = InfoNCE(temperature=temperature)(query, key, negatives)
    assert loss.item() == pytest.approx(slow(query, key, negatives, temperature), rel=1e-5)


def test_the_positive_is_column_0_and_the_temperature_divides():
    query, key, negatives = vectors(3, 0), vectors(3, 1), vectors(4, 2)
    logits = InfoNCE(temperature=0.5).logits(query, key, negatives)
    assert logits.shape == (3, 5)
    torch.testing.assert_close(logits[:, 0], 2 * (query * key).sum(1))
    torch.testing.assert_close(logits[1, 3], 2 * (query[1] @ negatives[2]))


def test_16_bit_autocast_does_not_round_the_similarities():
    query, key, negatives = vectors(5, 0), vectors(5, 1), vectors(9, 2)
    loss = InfoNCE(temperature=0.07)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = loss.logits(query, key, negatives)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, loss.logits(query, key, negatives), rtol=0, atol=0)


@pytest.mark.parametrize("temperature", [0.0, -0.1])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ConfigError, match="above 0"):
        InfoNCE(temperature=temperature)

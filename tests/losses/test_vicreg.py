import math

import pytest
import torch

from medvl.errors import ConfigError
from medvl.losses import VICReg
from medvl.losses.vicreg import redundancy, spread
from tests.golden_fixtures import golden


@pytest.fixture(params=["vicreg_loss"])
def fixture(request):
    return golden(request.param)


def slow_covariance(features: list[list[float]], i: int, j: int) -> float:
    rows = len(features)
    means = [sum(row[k] for row in features) / rows for k in (i, j)]
    return sum((row[i] - means[0]) * (row[j] - means[1]) for row in features) / (rows - 1)


def slow(first: list[list[float]], second: list[list[float]], shares: tuple[float, float]) -> dict[str, float]:
    """The three terms without their factors (Bardes 2022, equations 1 to 6), the invariance a mean over features."""
    rows, width = len(first), len(first[0])
    terms = {"invariance": 0.0, "variance": 0.0, "covariance": 0.0}
    for a, b in zip(first, second, strict=True):
        terms["invariance"] += sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / (rows * width)
    for features, share in zip((first, second), shares, strict=True):
        for i in range(width):
            deviation = math.sqrt(slow_covariance(features, i, i) + 1e-4)
            terms["variance"] += share * max(0.0, 1 - deviation) / width
            for j in set(range(width)) - {i}:
                terms["covariance"] += slow_covariance(features, i, j) ** 2 / width
    return terms


@pytest.mark.parametrize("shares", [(0.5, 0.5), (1.0, 1.0), (1.0, 0.5)])
def test_equals_the_equations_written_out(shares):
    generator = torch.Generator().manual_seed(0)
    first, second = (0.8 * torch.randn(5, 4, generator=generator) for _ in range(2))
    loss = VICReg(invariance=3, variance=5, covariance=7, variance_shares=shares)
    expected = slow(first.tolist(), second.tolist(), shares)
    for name, factor in {"invariance": 3, "variance": 5, "covariance": 7}.items():
        assert loss.terms(first, second)[name].item() == pytest.approx(factor * expected[name], rel=1e-4)
    assert loss(first, second).item() == pytest.approx(
        3 * expected["invariance"] + 5 * expected["variance"] + 7 * expected["covariance"], rel=1e-4
    )


def test_golden(fixture):
    config = fixture.config
    factors = {"invariance": config["sim_coeff"], "variance": config["std_coeff"], "covariance": config["cov_coeff"]}
    for name in (*factors, "total"):
        x, y = (fixture.tensors[f"in.{side}"].clone().requires_grad_() for side in "xy")
        ones = dict.fromkeys(factors, 1.0)
        value = VICReg(**factors)(x, y) if name == "total" else VICReg(**ones).terms(x, y)[name]
        fixture.close(value, f"out.{name}")
        value.backward()
        for side, tensor in (("x", x), ("y", y)):
            fixture.close(tensor.grad, f"out.grad.{name}.{side}")


def test_features_that_are_spread_and_independent_cost_nothing():
    corners = 2 * torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    assert spread(corners) == 0 == redundancy(corners)
    assert VICReg()(corners, corners) == 0


def test_factors_below_zero_are_refused():
    with pytest.raises(ConfigError, match="must be at least 0"):
        VICReg(variance_shares=(0.5, -0.5))

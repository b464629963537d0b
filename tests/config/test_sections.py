import math

import pytest

from medvl.config.sections import Budget, Stop
from medvl.errors import ConfigError


def test_a_budget_in_epochs_or_in_steps():
    assert Budget(epochs=2).total_steps(10) == 20
    assert Budget(epochs=0.25).total_steps(10) == 2
    assert Budget(epochs=0.01).total_steps(10) == 1
    assert Budget(steps=7).total_steps(10) == 7


@pytest.mark.parametrize("values", [{}, {"epochs": 1, "steps": 1}])
def test_a_budget_is_one_of_both(values):
    with pytest.raises(ConfigError, match="either epochs or steps"):
        Budget(**values)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "accumulate", "validate_every"])
@pytest.mark.parametrize("value", [0, -1])
def test_numbers_of_a_budget_are_above_zero(name, value):
    given = {name: value} if name == "epochs" else {"steps": 1, name: value}
    with pytest.raises(ConfigError, match=f"{name} must be above 0, found {value}"):
        Budget(**given)


def test_a_budget_of_no_steps_trains_nothing():
    assert not Budget(steps=0).trains and Budget(steps=1).trains and Budget(epochs=0.1).trains
    with pytest.raises(ConfigError, match="steps must be at least 0, found -1"):
        Budget(steps=-1)


@pytest.mark.parametrize(
    ("metric", "mode", "larger"),
    [
        ("val/loss", "auto", False),
        ("val/perplexity", "auto", False),
        ("val/f1_micro", "auto", True),
        ("val/f1_micro", "min", False),
        ("val/loss", "max", True),
    ],
)
def test_what_is_better(metric, mode, larger):
    stop = Stop(metric=metric, mode=mode)
    assert stop.better(2.0, 1.0) is larger
    assert stop.better(1.0, 2.0) is not larger
    assert stop.better(1.0, None)
    assert not stop.better(1.0, 1.0)
    assert not stop.better(math.nan, None)


def test_the_test_split_never_selects():
    with pytest.raises(ConfigError, match=r"val/NAME: found 'test/loss'"):
        Stop(metric="test/loss")

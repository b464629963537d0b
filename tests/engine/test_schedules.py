import math

import pytest
import torch

from medvl.engine.schedules import Horizon, Schedule, constant, cosine, linear, milestones, poly
from medvl.errors import ConfigError
from tests.golden_fixtures import golden

STEM = "lr_schedules"


def check(name: str, schedule: Schedule, steps: list[float], peak: float = 1.0) -> None:
    """Compare a whole curve with the fixture's."""
    fixture = golden(STEM)
    curve = torch.tensor([peak * schedule(step) for step in steps], dtype=torch.float64)
    fixture.close(curve, f"out.{name}")


@pytest.fixture(params=[STEM])
def fixture(request):
    return golden(request.param)


def test_golden_mrm_pretraining(fixture):
    config = fixture.config["mrm_pretrain"]
    schedule = cosine(
        Horizon(config["epochs"], 1),  # one step an epoch: the fixture's steps are fractions of epochs
        warmup_epochs=config["warmup_epochs"],
        end_factor=config["min_lr"] / config["lr"],
    )
    check("mrm_pretrain_lr", schedule, fixture.tensors["in.mrm_pretrain_epoch"].tolist(), config["lr"])


@pytest.mark.parametrize(("name", "make"), [("cosine", cosine), ("linear", linear)])
def test_golden_mrm_finetuning(fixture, name, make):
    config = fixture.config["mrm_finetune"]
    schedule = make(Horizon(config["total_steps"], 10), warmup_steps=config["warmup_steps"])
    curve = f"mrm_finetune_{name}_factor"
    check(curve, schedule, range(len(fixture.tensors[f"out.{curve}"])))


@pytest.mark.parametrize("steps_per_epoch", [1, 7])
def test_golden_moco_cxr_cosine(fixture, steps_per_epoch):
    config = fixture.config["moco_cxr"]
    horizon = Horizon(config["epochs"] * steps_per_epoch, steps_per_epoch)
    schedule = cosine(horizon, stretch=config["cos_rate"], by="epoch")
    last_steps = [steps_per_epoch * (epoch + 1) - 1 for epoch in range(config["epochs"])]
    check("moco_cxr_cosine_lr", schedule, last_steps, config["lr"])


@pytest.mark.parametrize("steps_per_epoch", [1, 7])
def test_golden_moco_cxr_milestones(fixture, steps_per_epoch):
    config = fixture.config["moco_cxr"]
    horizon = Horizon(config["epochs"] * steps_per_epoch, steps_per_epoch)
    schedule = milestones(horizon, at=tuple(config["schedule"]))
    last_steps = [steps_per_epoch * (epoch + 1) - 1 for epoch in range(config["epochs"])]
    check("moco_cxr_step_lr", schedule, last_steps, config["lr"])


def test_golden_slip(fixture):
    config = fixture.config["slip"]
    total = config["epochs"] * config["iterations_per_epoch"]
    schedule = cosine(
        Horizon(total, config["iterations_per_epoch"]),
        warmup_epochs=config["warmup_epochs"],
        start_factor=config["lr_start"] / config["lr"],
        end_factor=config["lr_end"] / config["lr"],
        inclusive_warmup=True,
    )
    check("slip_lr", schedule, range(total), config["lr"])


def test_golden_vicreg(fixture):
    config = fixture.config["vicreg"]
    total = config["epochs"] * config["iterations_per_epoch"]
    # ten warm-up epochs, an end at 0.1 %, and a rate per 256 samples are constants of the reference
    schedule = cosine(Horizon(total, config["iterations_per_epoch"]), warmup_epochs=10, end_factor=0.001)
    check("vicreg_lr", schedule, range(total), config["base_lr"] * config["batch_size"] / 256)


def test_constant_rises_and_stays():
    schedule = constant(Horizon(100, 10), warmup_steps=4, start_factor=0.2)
    assert [schedule(step) for step in (0, 2, 4, 99)] == pytest.approx([0.2, 0.6, 1.0, 1.0])


def test_constant_without_warmup_is_1_from_the_first_step():
    assert constant(Horizon(100, 10))(0) == 1


def test_linear_ends_at_its_end_factor_and_stays_there():
    schedule = linear(Horizon(100, 10), end_factor=0.1)
    assert [schedule(step) for step in (0, 50, 100, 130)] == pytest.approx([1.0, 0.55, 0.1, 0.1])


@pytest.mark.parametrize("make", [constant, linear, cosine])
def test_a_warmup_in_epochs_is_one_in_steps(make):
    horizon = Horizon(100, 12.5)
    by_epochs, by_steps = make(horizon, warmup_epochs=2), make(horizon, warmup_steps=25)
    assert [by_epochs(step) for step in range(101)] == [by_steps(step) for step in range(101)]


@pytest.mark.parametrize("make", [linear, cosine])
def test_by_epoch_holds_the_factor_of_the_first_step(make):
    horizon = Horizon(40, 8)
    smooth, stairs = make(horizon), make(horizon, by="epoch")
    assert [stairs(step) for step in range(40)] == [smooth(8 * (step // 8)) for step in range(40)]


def test_milestones_can_count_steps():
    schedule = milestones(Horizon(100, 10), at=(3, 50), gamma=0.5, unit="step")
    assert [schedule(step) for step in (0, 2, 3, 49, 50)] == [1, 1, 0.5, 0.5, 0.25]


@pytest.mark.parametrize("warmup", [0, 1, 5, 20])
def test_the_cosine_is_the_equation(warmup):
    schedule = cosine(Horizon(20, 4), warmup_steps=warmup, end_factor=0.3)
    for step in range(warmup, 20):
        expected = 0.3 + 0.7 * (1 + math.cos(math.pi * (step - warmup) / (20 - warmup))) / 2
        assert schedule(step) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (linear, {"warmup_steps": 3, "warmup_epochs": 1.0}, "given twice"),
        (cosine, {"warmup_epochs": 11.0}, "11 epochs does not fit into a stage of 10"),
        (constant, {"warmup_steps": -1}, "does not fit"),
        (cosine, {"stretch": 0.0}, "stretch must be above 0"),
        (milestones, {"at": (3,), "gamma": 0.0}, "gamma must be above 0"),
    ],
)
def test_impossible_settings_are_refused(make, settings, message):
    with pytest.raises(ConfigError, match=message):
        make(Horizon(100, 10), **settings)


def test_poly_is_a_power_of_what_is_left():
    schedule = poly(Horizon(110, 10), warmup_steps=10, start_factor=0.1, power=2, end_factor=0.2)
    for step, factor in [(0, 0.1), (5, 0.55), (10, 1.0), (60, 0.2 + 0.8 * 0.25), (110, 0.2), (200, 0.2)]:
        assert schedule(step) == pytest.approx(factor)
    with pytest.raises(ConfigError, match="power must be above 0"):
        poly(Horizon(10, 1), power=0)


def test_poly_of_power_one_is_a_line():
    horizon = Horizon(90, 10)
    assert [poly(horizon, power=1)(step) for step in range(95)] == pytest.approx(
        [linear(horizon)(s) for s in range(95)]
    )

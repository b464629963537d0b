import pytest
import torch
from torch import nn

from medvl.engine.optimizers import adam, adamw, sgd
from medvl.engine.schedules import Horizon, constant, linear
from medvl.errors import ConfigError

ALWAYS_1 = constant(Horizon(10, 1))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))


def step(optimization, parameter: nn.Parameter, gradient: float) -> float:
    parameter.grad = torch.full_like(parameter, gradient)
    optimization.optimizer.step()
    return parameter.item()


@pytest.mark.parametrize("make", [adamw, adam, sgd])
def test_the_schedule_multiplies_the_rate_of_every_group(make):
    schedule = linear(Horizon(10, 1), warmup_steps=2)
    optimization = make(network().parameters(), lr=0.5, weight_decay=0.1, decay_norms=False, schedule=schedule)
    for number, rate in [(0, 0.0), (1, 0.25), (2, 0.5), (6, 0.25), (1, 0.25)]:
        assert optimization.set_step(number) == rate
        assert {group["lr"] for group in optimization.optimizer.param_groups} == {rate}


@pytest.mark.parametrize("make", [adamw, adam, sgd])
def test_norms_and_biases_can_go_without_decay(make):
    model = network()
    groups = make(
        model.parameters(), lr=0.1, weight_decay=0.3, decay_norms=False, schedule=ALWAYS_1
    ).optimizer.param_groups
    decay = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    assert {name: decay[id(parameter)] for name, parameter in model.named_parameters()} == {
        "0.weight": 0.3, "0.bias": 0.0, "1.weight": 0.0, "1.bias": 0.0, "2.weight": 0.3, "2.bias": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("make", [adamw, adam, sgd])
def test_everything_trainable_is_in_one_group_by_default(make):
    model = network()
    model[0].requires_grad_(False)
    (group,) = make(model.parameters(), lr=0.1, weight_decay=0.3, schedule=ALWAYS_1).optimizer.param_groups
    assert group["weight_decay"] == 0.3
    assert {id(p) for p in group["params"]} == {id(p) for p in model[1:].parameters()}


def test_adamw_decays_apart_from_the_gradient_and_adam_within_it():
    # the first step of Adam has length lr whatever the gradient; only the decoupled decay adds to it
    apart, within = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(2.0))
    settings = {"lr": 0.1, "weight_decay": 0.5, "eps": 0.0, "schedule": ALWAYS_1}
    assert step(adamw([apart], **settings), apart, 3.0) == pytest.approx(2.0 * (1 - 0.1 * 0.5) - 0.1)
    assert step(adam([within], **settings), within, 3.0) == pytest.approx(2.0 - 0.1)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_its_recurrence(nesterov):
    parameter = nn.Parameter(torch.tensor(2.0))
    optimization = sgd([parameter], lr=0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.5, schedule=ALWAYS_1)
    value, velocity = 2.0, 0.0
    for gradient in (3.0, -1.0, 2.0):
        slope = gradient + 0.5 * value
        velocity = 0.9 * velocity + slope
        value -= 0.1 * (slope + 0.9 * velocity if nesterov else velocity)
        assert step(optimization, parameter, gradient) == pytest.approx(value, rel=1e-5)


def test_a_saved_optimiser_goes_on_from_its_step_number_alone():
    schedule = linear(Horizon(10, 1))
    first = adamw(network().parameters(), lr=0.5, schedule=schedule)
    first.set_step(4)
    second = adamw(network().parameters(), lr=0.5, schedule=schedule)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    assert second.set_step(5) == first.set_step(5) == 0.25


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("make", [adamw, adam, sgd])
def test_cuda_parameters_are_updated_by_one_kernel(make):
    groups = make(network().cuda().parameters(), lr=0.1, schedule=ALWAYS_1).optimizer.param_groups
    assert all(group["fused"] for group in groups)


@pytest.mark.parametrize("make", [adamw, adam, sgd])
def test_some_parameters_learn_at_a_multiple_of_the_rate(make):
    model = network()
    schedule = linear(Horizon(10, 1), warmup_steps=2)
    optimization = make(model.parameters(), lr=0.5, weight_decay=0.1, decay_norms=False, schedule=schedule)
    optimization.scale_rate(model[0].parameters(), 4)
    assert optimization.set_step(1) == 0.25  # what is logged is the stage's own rate
    rates = {id(p): group["lr"] for group in optimization.optimizer.param_groups for p in group["params"]}
    decays = {id(p): group["weight_decay"] for group in optimization.optimizer.param_groups for p in group["params"]}
    assert len(rates) == len(list(model.parameters()))
    assert {rates[id(p)] for p in model[0].parameters()} == {1.0}
    assert {rates[id(p)] for p in [*model[1].parameters(), *model[2].parameters()]} == {0.25}
    assert decays[id(model[0].weight)] == 0.1 and decays[id(model[0].bias)] == 0


def test_all_parameters_may_learn_at_a_multiple_of_the_rate():
    parameter = nn.Parameter(torch.tensor([1.0]))
    optimization = sgd([parameter], lr=0.5, momentum=0, schedule=ALWAYS_1)
    optimization.scale_rate([parameter], 0.5)
    optimization.set_step(0)
    assert step(optimization, parameter, 1.0) == 0.75


@pytest.mark.parametrize("make", [adamw, adam, sgd])
def test_blocks_nearer_to_the_input_learn_more_slowly(make):
    model = network()
    blocks = [list(model[0].parameters()), list(model[1].parameters())]
    optimization = make(
        model.parameters(), blocks, lr=0.8, weight_decay=0.3, decay_norms=False, layer_decay=0.5, schedule=ALWAYS_1
    )
    optimization.set_step(0)
    groups = optimization.optimizer.param_groups
    told = {id(parameter): (group["lr"], group["weight_decay"]) for group in groups for parameter in group["params"]}
    assert {name: told[id(parameter)] for name, parameter in model.named_parameters()} == {
        "0.weight": (0.2, 0.3), "0.bias": (0.2, 0.0), "1.weight": (0.4, 0.0), "1.bias": (0.4, 0.0),
        "2.weight": (0.8, 0.3), "2.bias": (0.8, 0.0),
    }  # fmt: skip


def test_a_layer_decay_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="layer_decay must be above 0, not 0"):
        adamw(network().parameters(), [], lr=0.1, layer_decay=0.0, schedule=ALWAYS_1)

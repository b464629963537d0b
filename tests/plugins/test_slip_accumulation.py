"""A contrastive batch in four parts has the gradients of the whole batch, alone and in sums with other objectives."""

import pytest
import torch
from lightning_fabric import Fabric
from medvl_moco_cxr.objective import MoCo
from medvl_slip.language_image import ConVIRT
from medvl_slip.vicreg import VICReg
from torch import nn

from medvl.engine.cached_gradient import backward_compared
from medvl.engine.trainable import Trainable
from medvl.objectives.total import Total
from tests.plugins.slip_toy import clip, model, pairs, simclr

ROWS, PARTS = 12, 4


def vicreg(encoders):
    objective = VICReg(encoders, dim=8)
    objective.head = nn.Linear(8, 8)
    return objective


def moco(encoders):
    return MoCo(encoders, queue_size=20, dim=4, momentum=0.9, symmetric=True)


OBJECTIVES = {
    "clip": clip,
    "clip in chunks": lambda encoders: clip(encoders, chunk=5),
    "convirt": lambda encoders: ConVIRT(encoders, dim=8, preset="released"),
    "simclr": simclr,
    "simclr in chunks": lambda encoders: simclr(encoders, chunk=5),
    "vicreg": vicreg,
    "clip + simclr": lambda encoders: Total(terms={"pairs": clip(encoders), "ssl": simclr(encoders)}),
    "clip + moco": lambda encoders: Total(
        terms={"pairs": clip(encoders), "ssl": moco(encoders)}, weights={"ssl": 0.3}
    ),
}  # fmt: skip


def step(name: str, parts: int) -> tuple[dict[str, torch.Tensor], Trainable]:
    """Losses and gradients of one step as the engine takes it, in so many parts."""
    encoders = model()
    trainable = Trainable(encoders, OBJECTIVES[name](encoders))
    batch = pairs(ROWS)
    size = ROWS // parts
    micro = [{key: value[at : at + size] for key, value in batch.items()} for at in range(0, ROWS, size)]
    trainable.objective.before_step(encoders)
    assert trainable.objective.compares
    if parts > 1:
        losses = backward_compared(Fabric(accelerator="cpu", devices=1), trainable, micro)
    else:
        losses = trainable(batch)
        torch.stack(list(losses.values())).sum().backward()
    trainable.objective.after_step(encoders)
    return losses, trainable


@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_of_four_parts_are_those_of_the_whole_batch(name):
    expected, whole = step(name, 1)
    found, parts = step(name, PARTS)
    assert found.keys() == expected.keys()
    for loss, value in expected.items():
        torch.testing.assert_close(found[loss].detach(), value.detach(), rtol=1e-5, atol=1e-6)
    moved = 0.0
    for (place, ours), theirs in zip(parts.named_parameters(), whole.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None), place
        if ours.grad is not None:
            torch.testing.assert_close(
                ours.grad, theirs.grad, rtol=1e-4, atol=1e-6, msg=lambda m, at=place: f"{at}: {m}"
            )
            moved = max(moved, float(theirs.grad.abs().max()))
    assert moved > 1e-3


def test_the_keys_of_a_step_enter_mocos_queues_once():
    _, whole = step("clip + moco", 1)
    _, parts = step("clip + moco", PARTS)
    ours, theirs = (trainable.objective.terms["ssl"] for trainable in (parts, whole))
    for queue in ("queue", "mirror_queue"):
        assert getattr(ours, queue).pointer.item() == ROWS
        torch.testing.assert_close(getattr(ours, queue).keys, getattr(theirs, queue).keys)

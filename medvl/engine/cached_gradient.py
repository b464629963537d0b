"""Accumulation for losses that compare the cases of a batch: the gradients of the whole batch, a part at a time.

GradCache (Gao 2021, section 3): embed every micro-batch without a graph; take the loss of all embeddings and its
gradient at them; then embed every micro-batch again, with a graph, and push its share of that gradient through. Memory
is that of one micro-batch and of the embeddings; the price is a second forward pass. Losses that compare nothing
(`Objective.alone`) are taken in that second pass, once a micro-batch.

Random draws (dropout) are the same in both passes. Batch norm sees micro-batches, as in any accumulation, so with it
the gradients are not quite the whole batch's; and its running statistics move in both passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medvl.engine.randomness import random_state, set_random_state
from medvl.engine.trainable import Trainable
from medvl.models.base import Batch
from medvl.models.passes import shared_passes

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def backward_compared(fabric: Fabric, trainable: Trainable, micro_batches: list[Batch]) -> dict[str, Tensor]:
    """Add the gradients of the loss over all micro-batches together to the parameters.

    What is compared counts whole; losses that stand alone count as their mean over micro-batches.

    Args:
        fabric: device, precision, processes.
        trainable: itself, not what Fabric wrapped it in: some gradients come from the comparison and some from the
            embedding, and no one pass would show the wrapper all of them. They are averaged over processes here.
        micro_batches: of one optimiser step.

    Returns:
        The losses of the whole batch.
    """
    objective, model = trainable.objective, trainable.model
    states, parts = [], []
    for batch in micro_batches:
        states.append(random_state(fabric.device))
        with torch.no_grad(), fabric.autocast():
            embedded = objective.embed(model, batch)
        parts.append({name: value.requires_grad_(value.is_floating_point()) for name, value in embedded.items()})
    with fabric.autocast():
        losses = objective.compare({name: torch.cat([part[name] for part in parts]) for name in parts[0]})
    fabric.backward(torch.stack(list(losses.values())).sum())
    shared = 1 / len(micro_batches)
    for batch, state, part in zip(micro_batches, states, parts, strict=True):
        set_random_state(state, fabric.device)
        with fabric.autocast(), shared_passes():
            embedded = objective.embed(model, batch)
            alone = {name: shared * value for name, value in objective.alone(model, batch).items()}
        pairs = [(embedded[name], value.grad) for name, value in part.items() if value.grad is not None]
        pushed = [(value * gradient).sum() for value, gradient in pairs if value.requires_grad]
        learned = [*pushed, *alone.values()]
        if learned:  # else what is embedded is frozen, and only the comparison has weights
            fabric.backward(torch.stack(learned).sum())
        losses |= {name: losses.get(name, 0) + value.detach() for name, value in alone.items()}
    _average(trainable)
    return losses


def _average(trainable: Trainable) -> None:
    """Make every gradient the mean over processes."""
    if not torch.distributed.is_initialized():
        return
    for parameter in trainable.parameters():
        if parameter.grad is not None:
            torch.distributed.all_reduce(parameter.grad)
            parameter.grad /= torch.distributed.get_world_size()

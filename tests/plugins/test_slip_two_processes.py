"""Negatives of all processes, over two processes with gloo: each scores its own cases, gradients are those of one."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from medvl.engine.cached_gradient import backward_compared
from medvl.engine.trainable import Trainable
from medvl.objectives.total import Total
from tests.plugins.slip_toy import clip, model, pairs, simclr

RANKS, ROWS = 2, 4  # cases of a process
WAYS = {"whole": (None, 1), "in parts": (None, 2), "in parts and chunks": (3, 2)}  # chunk, micro-batches


class Plain:
    """The part of Fabric that a step takes; the whole of it takes seconds to import."""

    device, autocast = torch.device("cpu"), nullcontext

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()


def step(rank: int, ranks: int, chunk: int | None, parts: int) -> dict[str, torch.Tensor]:
    """Losses and gradients of a step of `ranks` processes, as the engine takes it on this one."""
    encoders = model()
    terms = {"pairs": clip(encoders, chunk), "ssl": simclr(encoders, chunk)}
    trainable = Trainable(encoders, Total(terms=terms))
    own = {name: value.chunk(ranks)[rank] for name, value in pairs(RANKS * ROWS).items()}
    if parts > 1:
        micro = zip(*(value.chunk(parts) for value in own.values()), strict=True)
        losses = backward_compared(Plain(), trainable, [dict(zip(own, part, strict=True)) for part in micro])
    else:
        losses = trainable(own)
        torch.stack(list(losses.values())).sum().backward()
        for parameter in trainable.parameters():  # as data-parallel training does
            if ranks > 1:
                dist.all_reduce(parameter.grad)
            parameter.grad /= ranks
    losses = {name: value.detach() for name, value in losses.items()}
    return losses | {name: parameter.grad for name, parameter in trainable.named_parameters()}


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=RANKS)
    torch.save({way: step(rank, RANKS, *settings) for way, settings in WAYS.items()}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, (str(folder),), nprocs=RANKS)
    return [torch.load(folder / f"{rank}.pt") for rank in range(RANKS)]


@pytest.mark.parametrize("way", WAYS)
def test_two_processes_have_the_gradients_of_one_and_their_mean_is_its_loss(results, way):
    alone = step(0, 1, None, 1)
    first, second = (result[way] for result in results)
    for name, value in alone.items():
        ours = (first[name] + second[name]) / 2 if name in ("pairs.clip", "ssl.nt_xent") else first[name]
        torch.testing.assert_close(ours, value, rtol=1e-4, atol=1e-6, msg=lambda m, name=name: f"{name}: {m}")
    assert alone["objective.terms.pairs.log_scale"].abs() > 1e-4
    assert not torch.equal(first["pairs.clip"], second["pairs.clip"]), "each process scores its own rows"

"""Shuffle-BN and the queue over two processes, with gloo on the CPU."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from medvl_moco_cxr.shuffle import shuffle, unshuffle

from tests.plugins.moco_toy import make, trainable, views

RANKS, ROWS, STEPS = 2, 3, 4  # 24 keys through a queue of 10: it wraps around


def train(rank: int, ranks: int) -> dict[str, torch.Tensor]:
    """A few steps on this rank's share of each batch, gradients averaged as DDP does; the final state."""
    model, objective = make()
    optimizer = torch.optim.SGD(trainable(model, objective), lr=0.1)
    for step in range(STEPS):
        batch = {name: images.chunk(ranks)[rank] for name, images in views(RANKS * ROWS, step).items()}
        objective.before_step(model)
        optimizer.zero_grad()
        objective(model, batch)["info_nce"].backward()
        for parameter in trainable(model, objective):
            if ranks > 1:
                dist.all_reduce(parameter.grad)
            parameter.grad /= ranks
        optimizer.step()
        objective.after_step(model)
    return {**objective.state_dict(), **model.state_dict()}


def deal(rank: int) -> dict[str, torch.Tensor]:
    """Numbered samples dealt out several times: the hands, and what comes back."""
    torch.manual_seed(rank)  # ranks that draw apart must still deal alike
    own = torch.arange(ROWS).view(ROWS, 1, 1, 1) + 100 * rank
    hands, backs = [], []
    for _ in range(5):
        hand, places = shuffle(own)
        hands.append(hand.flatten())
        backs.append(unshuffle(hand.view(ROWS, 1) * 2, places).flatten())
    return {"own": own.flatten(), "hands": torch.stack(hands), "backs": torch.stack(backs)}


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=RANKS)
    results = {"state": train(rank, RANKS), "dealt": deal(rank)}
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, (str(folder),), nprocs=RANKS)
    return [torch.load(folder / f"{rank}.pt") for rank in range(RANKS)]


def test_all_ranks_hold_the_state_of_a_single_process(results):
    alone = train(0, 1)
    assert alone["queue.pointer"] == RANKS * ROWS * STEPS % 10
    for name, value in results[0]["state"].items():
        assert torch.equal(value, results[1]["state"][name]), name
        torch.testing.assert_close(value, alone[name], msg=lambda m, name=name: f"{name}: {m}")


def test_features_come_back_to_the_samples_they_belong_to(results):
    for result in results:
        dealt = result["dealt"]
        assert torch.equal(dealt["backs"], (2 * dealt["own"]).expand_as(dealt["backs"]))


def test_every_sample_is_dealt_once_and_the_ranks_are_mixed(results):
    both = torch.cat([result["dealt"]["hands"] for result in results], dim=1)  # (draws, ranks * rows)
    everyone = torch.cat([result["dealt"]["own"] for result in results])
    assert torch.equal(both.sort(dim=1).values, everyone.sort().values.expand_as(both))
    assert any((hand >= 100).any() and (hand < 100).any() for hand in results[0]["dealt"]["hands"])

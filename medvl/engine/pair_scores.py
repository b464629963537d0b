"""Scores of every image of a pool with every text of it, by an objective that scores pairs, over all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medvl.data.feed import Feeder
from medvl.engine.asked import takes_pairs
from medvl.engine.context import StageContext
from medvl.engine.stage_data import StageData
from medvl.engine.trainable import Trainable
from medvl.evaluate.base import PAIR_SCORES, Cases, Evaluator
from medvl.models.distributed import apart
from medvl.runs.progress import PATIENCE, Progress

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Halves = dict[str, Tensor]
COLUMNS = ("text.ids", "text.mask", "text.tokens")  # (B, T, ...): as long as the longest text of their batch


@dataclass(frozen=True)
class Share:
    """What one process scores: all texts of some pools, or some texts of all pools where there are too few pools.

    Attributes:
        pools: which of them.
        first, step: of the texts of a pool, which ones: every `step`-th from `first` on.
    """

    pools: range
    first: int
    step: int

    @classmethod
    def of(cls, pools: int, rank: int, world: int) -> Share:
        """That of process `rank` of `world`."""
        if pools >= world:
            return cls(range(rank, pools, world), 0, 1)
        return cls(range(pools), rank, world)

    def pairs(self, size: int) -> int:
        """How many pairs it scores, of pools of `size`."""
        return len(self.pools) * size * len(range(self.first, size, self.step))


@torch.no_grad()
def score_pools(
    fabric: Fabric,
    trainable: Trainable,
    pools: np.ndarray,
    feeder_of: Callable[[np.ndarray], Feeder],
    *,
    pairs: int,
    after_batch: Callable[[int], None] | None = None,
) -> np.ndarray:
    """(P, n, n) float32, image i (row) of a pool with text j (column) of it.

    Every image and every text goes through its encoder once; what a pair costs is the fusion. The pairs of a batch
    have texts of about the same length, so that hardly any of it is padding. The module is used as it is: the caller
    sets evaluation mode.

    Args:
        fabric: precision and processes, which share the pools out.
        trainable: scores pairs.
        pools: (P, n) int64 positions of cases.
        feeder_of: of positions, batches of these cases in order, for this process alone.
        pairs: how many are scored at a time.
        after_batch: called with the number of pairs of each batch.
    """
    share = Share.of(len(pools), fabric.global_rank, fabric.world_size)
    count, size = pools.shape
    scores = np.zeros((count, size, size), np.float32)
    for number in share.pools:
        halves = _encode(fabric, trainable, feeder_of(pools[number]))
        texts = torch.arange(share.first, size, share.step)
        scored = torch.zeros(size, size, device=fabric.device)
        for image, text, part in _pairs(halves, texts, pairs):
            with fabric.autocast():
                scored[image, text] = trainable.score_pairs(part).float()
            if after_batch is not None:
                after_batch(len(image))
        scores[number] = scored.cpu().numpy()
    if fabric.world_size > 1:
        gathered: list[np.ndarray] = [scores] * fabric.world_size
        torch.distributed.all_gather_object(gathered, scores)
        scores = np.sum(gathered, axis=0)  # zeros where another process scored
    return scores


def with_pairs(
    context: StageContext, trainable: Trainable, data: StageData, evaluator: Evaluator, cases: Cases, split: str
) -> Cases:
    """A split's cases as an evaluator takes them: with the scores of its own pools, where it reads such.

    Raises:
        Interrupted: asked to stop.
    """
    if not takes_pairs(evaluator, trainable.objective):
        return cases
    pools = evaluator.pools_of(len(cases.rows))
    share = Share.of(len(pools), context.fabric.global_rank, context.fabric.world_size).pairs(pools.shape[1])
    title = f"{context.stage.name}: scoring pairs of {split}"
    with Progress(title, share, "pair", enabled=context.leads, patience=PATIENCE) as progress:

        def after_batch(pairs: int) -> None:
            context.guard.check()
            progress.advance(pairs)

        scores = score_pools(
            context.fabric, trainable, pools, lambda members: context.own_feeder(data.cases(cases.rows[members])),
            pairs=context.micro_batch, after_batch=after_batch,
        )  # fmt: skip
    return replace(cases, outputs=cases.outputs | {PAIR_SCORES: scores})


def _encode(fabric: Fabric, trainable: Trainable, feeder: Feeder) -> Halves:
    """Halves of all cases of a feeder, (n, ...) each, on the device."""
    found: list[Halves] = []
    with apart(), closing(feeder.once()) as batches:
        for batch in batches:
            with fabric.autocast():
                found.append(trainable.halves(batch))
    return {name: _joined(name, [part[name] for part in found]) for name in found[0]}


def _joined(name: str, parts: list[Tensor]) -> Tensor:
    """Batches end to end, columns of texts filled up with zeros."""
    if name not in COLUMNS:
        return torch.cat(parts)
    longest = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part, (0, 0) * (part.ndim - 2) + (0, longest - part.shape[1])) for part in parts])


def _pairs(halves: Halves, texts: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor, Halves]]:
    """Images (p,), texts (p,) and the halves of these pairs: every image with each of `texts`, `size` at a time."""
    images = len(next(iter(halves.values())))
    device = next(iter(halves.values())).device
    lengths = _lengths(halves)
    if lengths is not None:
        texts = texts[lengths[texts].argsort(stable=True)]
    for start in range(0, len(texts) * images, size):
        pair = torch.arange(start, min(start + size, len(texts) * images))
        image, text = pair % images, texts[pair // images]
        longest = None if lengths is None else int(lengths[text].max())
        on_device = {"image": image.to(device), "text": text.to(device)}
        part = {
            name: value[:, :longest][on_device["text"]] if name in COLUMNS else value[on_device[name.partition(".")[0]]]
            for name, value in halves.items()
        }
        yield on_device["image"], on_device["text"], part


def _lengths(halves: Halves) -> Tensor | None:
    """(n,) int64 tokens of each text, on the CPU; None where nothing tells."""
    return halves["text.mask"].sum(1).cpu() if "text.mask" in halves else None

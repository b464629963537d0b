"""MoCo v2: a query finds its key among the keys of earlier batches."""

from __future__ import annotations

from copy import deepcopy
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import medvl
from medvl.losses import InfoNCE

from .queue import KeyQueue
from .shuffle import shuffle, unshuffle

Head = Literal["mlp", "mlp_bn", "linear"]


class MoCo(medvl.Objective):
    """Momentum contrast (He 2020) with the head of MoCo v2 (Chen 2020), as in MoCo-CXR (Sowrirajan 2021).

    A step: the key encoder's parameters move towards the query encoder's; both encode their view; each query is
    scored against its own key and the queue as it was before the step; after the optimiser step the keys of all
    micro-batches and processes enter the queue. Batch statistics of the key encoder are its own.

    The symmetric form (Huang 2023) lets each view look for the other: the mean of both losses, with a queue for the
    keys of each view.

    Args:
        model: its image encoder is the query encoder; the key encoder starts as a copy.
        queue_size: number of negatives K; need not be a multiple of the batch size.
        momentum: share of the key encoder that stays in a step; in [0, 1].
        temperature: divides the similarities; above 0.
        dim: D of queries and keys.
        head: `mlp` is linear, ReLU, linear (v2); `mlp_bn` the same with batch norm in front of the ReLU; `linear` is
            one layer (v1).
        shuffle_bn: with several processes, deal the key images out at random, so that batch statistics do not tell
            which key belongs to a query.
        bn_splits: encode the keys of a process in so many parts, each with batch statistics of its own, as so many
            devices would. On a single device with 1 (as published), a query and its key share the statistics of one
            batch and the negatives do not, which gives the positive away; the authors' own single-device
            demonstration splits by 8. The batch must hold at least two samples a part.
        symmetric: both views are queries and keys; a step costs twice as much.
        momentum_statistics: the momentum move takes batch statistics along, and even their count of batches, rounded
            down (Huang 2023, released code); else they are moved by the keys alone.

    Raises:
        ConfigError: a value out of its range.
    """

    smoke: ClassVar[dict[str, int]] = {"queue_size": 64, "bn_splits": 2}
    views: ClassVar[tuple[str, ...]] = ("query", "key")
    needs = ("image.pooled",)

    def __init__(
        self,
        model: medvl.Model,
        *,
        queue_size: int = 65536,
        momentum: float = 0.999,
        temperature: float = 0.2,
        dim: int = 128,
        head: Head = "mlp",
        shuffle_bn: bool = True,
        bn_splits: int = 1,
        symmetric: bool = False,
        momentum_statistics: bool = False,
    ) -> None:
        super().__init__()
        if queue_size < 1:
            raise medvl.ConfigError(f"queue_size must be at least 1, not {queue_size}")
        if not 0 <= momentum <= 1:
            raise medvl.ConfigError(f"momentum must lie between 0 and 1, not {momentum}")
        if bn_splits < 1:
            raise medvl.ConfigError(f"bn_splits must be at least 1, not {bn_splits}")
        self.momentum = momentum
        self.shuffle_bn = shuffle_bn
        self.bn_splits = bn_splits
        self.momentum_statistics = momentum_statistics
        self.loss = InfoNCE(temperature=temperature)
        self.head = projection(model.width("image.pooled"), dim, head)
        self.key_image = deepcopy(_image(model)).requires_grad_(False)
        self.key_head = deepcopy(self.head).requires_grad_(False)
        self.queue = KeyQueue(queue_size, dim)  # keys of the view `key`
        self.mirror_queue = KeyQueue(queue_size, dim) if symmetric else None  # keys of the view `query`
        # this step's keys of each; empty between steps, so no part of the state
        self._pending: tuple[list[Tensor], list[Tensor]] = ([], [])

    @torch.no_grad()
    def before_step(self, model: medvl.Model) -> None:
        """Move the key parameters: key <- momentum * key + (1 - momentum) * query (He 2020, eq. 2)."""
        for pending in self._pending:
            pending.clear()  # of a step that was given up
        sides = ((self.key_image, _image(model)), (self.key_head, self.head))
        keys: list[Tensor] = [tensor for key, _ in sides for tensor in key.parameters()]
        queries: list[Tensor] = [tensor for _, query in sides for tensor in query.parameters()]
        torch._foreach_lerp_(keys, queries, 1 - self.momentum)
        if self.momentum_statistics:
            for key, query in sides:
                for old, new in zip(key.buffers(), query.buffers(), strict=True):
                    old.copy_(self.momentum * old + (1 - self.momentum) * new)

    def forward(self, model: medvl.Model, batch: medvl.Batch) -> dict[str, Tensor]:
        """The contrastive loss of `batch["query"]` and `batch["key"]`, both (B, 1, H, W), under `info_nce`."""
        one, other = (batch[view] for view in self.views)
        loss = self._find(model, one, other, self.queue, self._pending[0])
        if self.mirror_queue is not None:
            loss = (loss + self._find(model, other, one, self.mirror_queue, self._pending[1])) / 2
        return {"info_nce": loss}

    def _find(
        self, model: medvl.Model, images: Tensor, partners: Tensor, queue: KeyQueue, pending: list[Tensor]
    ) -> Tensor:
        """The loss of finding each image's partner among the keys of a queue: (B, 1, H, W) twice -> ()."""
        query, key = self.queries(model, images), self.keys(partners)
        if self.training:
            pending.append(key)
        return self.loss(query, key, queue.keys)

    def after_step(self, model: medvl.Model) -> None:
        """Enqueue the step's keys. Only now: the backward pass needs the queue as the loss saw it."""
        for queue, pending in zip((self.queue, self.mirror_queue), self._pending, strict=True):
            if queue is not None:
                queue.enqueue(medvl.gather(torch.cat(pending)))
                pending.clear()

    def queries(self, model: medvl.Model, images: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, D) unit vectors."""
        pooled = model({"image": images}, self.needs)["image.pooled"]
        return unit(self.head(pooled))

    @torch.no_grad()
    def keys(self, images: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, D) unit vectors, without gradient."""
        if not (self.training and self.shuffle_bn and (medvl.world()[1] > 1 or self.bn_splits > 1)):
            return self._encode(images)
        images, places = shuffle(images)
        return unshuffle(self._encode(images), places)

    def _encode(self, images: Tensor) -> Tensor:
        parts = images.chunk(self.bn_splits if self.training else 1)
        return unit(self.key_head(torch.cat([self.key_image(part, ("pooled",))["pooled"] for part in parts])))

    def exports(self, model: medvl.Model) -> dict[str, nn.Module]:
        """The query encoder as `image`, and its head as `projection`."""
        return super().exports(model) | {"projection": self.head}


def projection(width: int, dim: int, kind: Head) -> nn.Module:
    """The head that contrasts: (B, width) -> (B, dim); batch norm takes the place of the hidden layer's bias."""
    if kind == "linear":
        return nn.Linear(width, dim)
    norm = [nn.BatchNorm1d(width)] if kind == "mlp_bn" else []
    return nn.Sequential(nn.Linear(width, width, bias=not norm), *norm, nn.ReLU(), nn.Linear(width, dim))


def _image(model: medvl.Model) -> medvl.ImageEncoder:
    assert model.image is not None, "image.pooled needs an image encoder"
    return model.image


def unit(vectors: Tensor) -> Tensor:
    """(B, D) -> (B, D) float32 of length 1."""
    return F.normalize(vectors.float(), dim=1)

"""Features of a frozen image encoder, computed once: for all epochs, and for all stages that look the same way."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing, nullcontext

import numpy as np
import torch
from torch import nn

import medvl
from medvl.config.component import Component
from medvl.data.cache import cache_folder
from medvl.data.cases import CaseArrays
from medvl.data.features import FeatureStore
from medvl.data.feed import Feeder
from medvl.data.view import View
from medvl.engine.assemble import build_views
from medvl.engine.context import StageContext
from medvl.engine.feature_plan import POOLED
from medvl.engine.hardware import settle
from medvl.engine.stage_data import StageData, telling
from medvl.files import remove_leftovers
from medvl.lock import hold
from medvl.models.base import ImageEncoder, Model

FORMAT = 1  # raise when the same encoder and view give other features than before
BATCH = 128  # cases encoded at a time, without a graph
PART = 2048  # cases between two writes: what a kill costs


def read_features(context: StageContext, model: Model, data: StageData) -> FeatureStore:
    """The pooled features of all cases of the stage, from the cache folder; those that are missing are encoded now.

    Kept by the encoder's weights and parameters, the view and the image store, row by row of that store: a stage
    of another fraction or seed finds what it shares with this one. Two processes may call at once; one encodes.

    Args:
        context: of the stage.
        model: its image encoder with its weights in place.
        data: names the cases.

    Raises:
        Interrupted: asked to stop; what is encoded stays.
        OSError: the disk is full.
    """
    assert model.image is not None and data.store is not None  # the plan says that there are features to keep
    rows = np.unique(data.shown(np.concatenate([data.train, *data.splits.values()])))
    view = build_views(context.stage)[context.plan.views[0]]
    folder = cache_folder("features", _key(context, model.image, data))
    store = FeatureStore(folder, len(data.store), model.width(POOLED))
    if context.fabric.broadcast(len(store.missing(rows)) > 0):  # one answer for all processes
        with hold(folder, wait=True) if context.leads else nullcontext():
            context.fabric.barrier()  # nobody looks before the leader holds the folder, or writes before all looked
            store.refresh()
            missing = store.missing(rows)
            context.fabric.barrier()
            if context.leads:
                remove_leftovers(folder)
            _encode(context, model.image, view, CaseArrays(missing, data.store), store)
            context.fabric.barrier()
            store.refresh()
    return store


@torch.no_grad()
def _encode(context: StageContext, encoder: ImageEncoder, view: View, cases: CaseArrays, store: FeatureStore) -> None:
    if not len(cases):
        return
    fabric = context.fabric
    encoder.to(fabric.device).eval()
    if fabric.device.type == "cuda":
        encoder.to(memory_format=torch.channels_last)
    feeder = Feeder(
        cases, {"image": view}, batch_size=BATCH * fabric.world_size, device=fabric.device, seed=context.seed,
        rank=fabric.global_rank, world=fabric.world_size,
    )  # fmt: skip
    waiting = _Part(store)
    share = len(cases) // fabric.world_size
    with telling(context, "encoding", share, "image") as tell, closing(feeder.once()) as batches, closing(waiting):
        done = 0
        for batch in batches:
            with fabric.autocast():
                features = encoder(batch["image"], ("pooled",))["pooled"]
            waiting.add(batch["rows"].numpy(), features.float().cpu().numpy())
            done += len(features)
            tell(done, share)


class _Part:
    """Writes encoded cases some thousands at a time; closing, after an interrupt too, writes the rest."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self._rows: list[np.ndarray] = []
        self._features: list[np.ndarray] = []

    def add(self, rows: np.ndarray, features: np.ndarray) -> None:
        self._rows.append(rows)
        self._features.append(features)
        if sum(map(len, self._rows)) >= PART:
            self.close()

    def close(self) -> None:
        if self._rows:
            self._store.append(np.concatenate(self._rows), np.concatenate(self._features))
        self._rows, self._features = [], []


def _key(context: StageContext, encoder: nn.Module, data: StageData) -> str:
    stage = context.stage
    assert data.store is not None
    known = {
        "format": FORMAT,
        "versions": [medvl.__version__, torch.__version__],
        "encoder": _parameters(stage.slots["image"]),
        "view": _parameters(stage.views[context.plan.views[0]]),
        "images": data.store.folder.name,
        "precision": settle(context.experiment.device, context.experiment.precision)[1],
        "feature": POOLED,
    }
    digest = hashlib.blake2b(json.dumps(known, sort_keys=True, default=str).encode(), digest_size=16)
    for name, tensor in encoder.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _parameters(component: Component) -> dict[str, object]:
    """What a component is built from; how a stage starts and trains it is not part of that."""
    plain = component.plain()
    return {key: plain[key] for key in ("name", *component.parameters)}

"""Image embeddings of data sets by a finished stage: what pictures and distances between data sets are made of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from medvl.config.component import Component
from medvl.data.cases import CaseArrays
from medvl.data.dataset import IMAGE, PATIENT
from medvl.data.draw import rows_of
from medvl.data.feed import Feeder
from medvl.data.selection import Selection, Split
from medvl.engine.load import TrainedStage
from medvl.engine.opened_data import OpenedData
from medvl.errors import ConfigError, DataError
from medvl.evaluate.embedding import Embedded
from medvl.models.base import Batch

Space = Literal["pooled", "shared"]
BATCH = 64


def embed(
    trained: TrainedStage,
    name: str,
    data: Component,
    selection: Selection,
    *,
    split: Split,
    cases: int,
    seed: int,
    space: Space = "pooled",
) -> Embedded:
    """Embeddings of a split's images, of at most `cases` of them drawn at random.

    Args:
        trained: the stage whose image encoder looks.
        name: what the data set is called.
        data, selection: the data set and what is taken of it.
        split: train, val or test.
        cases: at most so many; more are drawn from.
        seed: of drawn splits and of that draw.
        space: `pooled` is the image encoder's feature, `shared` the unit vectors in which the objective compares images
            with texts.

    Raises:
        ConfigError: the data set has not what is selected; or the stage has no such space.
        DataError: the files, or a split without cases.
    """
    encode = _encoder(trained, space)
    view = trained.view()
    if view is None:
        raise DataError(f"stage '{trained.stage.name}' looks at no image. give the folder of a stage that does")
    opened = OpenedData.open(data, selection, view.source)
    rows = rows_of(opened.table, split, selection, seed, opened.good)
    if len(rows) > cases:
        rows = np.sort(np.random.default_rng(seed).choice(rows, cases, replace=False))
    feeder = Feeder(CaseArrays(rows, opened.store), {"image": view}, batch_size=BATCH, device="cpu", seed=seed)
    with closing(feeder.once()) as batches, torch.no_grad():
        vectors = torch.cat([encode(batch).float() for batch in batches]).numpy()  # (N, D)
    keys, patients = (np.array(opened.pseudonyms(column, rows)) for column in (IMAGE, PATIENT))
    return Embedded(name, vectors, keys, patients, opened.labels, opened.label_values(rows))


def _encoder(trained: TrainedStage, space: Space) -> Callable[[Batch], Tensor]:
    """Images (B, 1, H, W) to vectors (B, D)."""
    model, objective = trained.trainable.model, trained.trainable.objective
    if space == "pooled":
        if model.image is None:
            raise DataError(f"stage '{trained.stage.name}' has no image encoder. give the folder of a stage that has")
        return lambda batch: model(batch, ("image.pooled",))["image.pooled"]
    if not objective.aligns:
        raise ConfigError(
            f"objective '{trained.stage.objective.name}' compares no images with texts, so it has no shared space. "
            "do: leave out --space"
        )
    return lambda batch: objective.embed_images(model, batch)

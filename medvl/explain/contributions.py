"""What each word and each region adds to a finding's logit: the case without it, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medvl.contract import slot_of
from medvl.engine.trainable import Trainable
from medvl.explain.words import Word
from medvl.models.base import Batch

GRID = 7  # cells a side that the radiograph is cut into
ROWS = 16  # variants that are predicted at a time


@dataclass(frozen=True)
class Contributions:
    """Of one case and K findings.

    Attributes:
        logits: (K,) of the case as it is.
        words: (W, K) how much lower the logit is without the word; below 0 where the word speaks against the finding.
        regions: (G, G, K) the same of each cell of the radiograph.
        without_text, without_image: (K,) logits.
    """

    logits: Tensor
    words: Tensor
    regions: Tensor
    without_text: Tensor
    without_image: Tensor


@torch.no_grad()
def contributions(trainable: Trainable, batch: Batch, words: Sequence[Word], view: str) -> Contributions:
    """Leave out each word, each cell, the whole text and the whole image (occlusion; Zeiler and Fergus, 2014).

    A word is left out of the text, as if it had not been written. A cell, and the whole image, is painted in the
    radiograph's mean gray.

    Args:
        trainable: in evaluation mode; predicts `logits` from image and text.
        batch: one case, its text not padded.
        words: of its text.
        view: the one that the model sees.
    """
    ids, images = batch["text.ids"], batch[view]
    gray = images.mean().expand_as(images)
    seen = _image_features(trainable, batch)
    shortened = [_without(ids, word.columns) for word in words] + [ids[:, [0, -1]]]
    logits = _logits(trainable, batch)[0]
    texts = torch.cat([_logits(trainable, _repeated(seen | batch, each)) for each in _padded(trainable, shortened)])
    painted = torch.cat([*_painted(images, gray), gray])
    pictures = torch.cat(
        [_logits(trainable, _repeated(batch, {view: part})) for part in painted.split(ROWS)]
    )  # (G * G + 1, K)
    return Contributions(
        logits, logits - texts[:-1], (logits - pictures[:-1]).unflatten(0, (GRID, GRID)), texts[-1], pictures[-1]
    )


def _logits(trainable: Trainable, batch: Batch) -> Tensor:
    return trainable.predict(batch, ("logits",))["logits"].float()


def _image_features(trainable: Trainable, batch: Batch) -> Batch:
    """What the encoder gives, which a model takes from a batch that brings it: no text changes it."""
    model = trainable.model
    needed = [name for name in model.expand(trainable.objective.needs) if slot_of(name) == "image"]
    return dict(model(batch, needed)) if needed else {}


def _repeated(batch: Batch, changed: Batch) -> Batch:
    """One case as often as what is changed of it has rows."""
    rows = len(next(iter(changed.values())))
    kept = {name: value.expand(rows, *value.shape[1:]) for name, value in batch.items() if name not in changed}
    return kept | changed


def _without(ids: Tensor, columns: Sequence[int]) -> Tensor:
    """(1, T) -> (1, T - n)."""
    keep = torch.ones(ids.shape[1], dtype=torch.bool)
    keep[list(columns)] = False
    return ids[:, keep]


def _padded(trainable: Trainable, texts: Sequence[Tensor]) -> Iterator[Batch]:
    """`text.ids` and `text.mask` of texts (1, T) each, some at a time."""
    assert trainable.model.text is not None
    pad = trainable.model.text.tokenizer.pad
    for start in range(0, len(texts), ROWS):
        part = [each[0] for each in texts[start : start + ROWS]]
        ids = torch.nn.utils.rnn.pad_sequence(part, batch_first=True, padding_value=pad)
        lengths = torch.tensor([len(each) for each in part])
        yield {"text.ids": ids, "text.mask": torch.arange(ids.shape[1]) < lengths[:, None]}


def _painted(images: Tensor, gray: Tensor) -> Iterator[Tensor]:
    """(1, 1, H, W) with one cell after the other in gray, row by row."""
    side = images.shape[-1]
    ends = [round(side * place / GRID) for place in range(GRID + 1)]
    for row in range(GRID):
        for column in range(GRID):
            painted = images.clone()
            cell = (..., slice(ends[row], ends[row + 1]), slice(ends[column], ends[column + 1]))
            painted[cell] = gray[cell]
            yield painted

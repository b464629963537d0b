"""The words that datasets, encoders, fusions and objectives use to fit together. Imports no torch.

*fields* travel from dataset through views into the batch (`image`, `text`, `labels`, `query`, ...);
*features* travel from encoders and fusions to objectives (`image.pooled`, `joint.cls`, ...);
*capabilities* are what only some components can do (`grid`, `joint`, `mask_scheme`, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# feature name -> its axes. B batch, N image tokens, T text tokens, S joint length, D width.
FEATURE_AXES = {
    "image.tokens": "B N D",
    "image.pooled": "B D",
    "image.level1": "B D H W",  # maps of growing depth, `level4` the deepest
    "image.level2": "B D H W",
    "image.level3": "B D H W",
    "image.level4": "B D H W",
    "text.tokens": "B T D",
    "text.pooled": "B D",
    "joint.tokens": "B S D",
    "joint.cls": "B D",
    "joint.text": "B T D",  # the joint tokens that stand for the columns of text.ids, [CLS] included
}

# Pseudo-feature of the text slot: the token ids. A single-stream fusion needs them in place of encoded text.
TEXT_IDS = "text.ids"

CAPABILITIES = {
    "grid": "image tokens have a height and a width",
    "masked_tokens": "encodes only the kept patches",
    "conditioned": "a text encoder that takes vectors from outside, added to its words",
    "joint": "a text encoder whose transformer also takes embeddings from outside, with positions and segments",
    "attentions": "a text encoder that shows the attention probabilities of its layers",
    "mask_scheme": "a fusion that accepts an attention-mask scheme",
    "generate": "a fusion that writes text, word by word",
}


@dataclass(frozen=True)
class Feature:
    """A feature that a model gives: its name, its width D, its number of tokens (None where it varies)."""

    name: str
    width: int
    tokens: int | None = None
    grid: tuple[int, int] | None = None  # (height, width) of image tokens that have one


@dataclass(frozen=True)
class DataSpec:
    """What is known of a stage's data.

    Attributes:
        labels: the label names, in the order of the columns of `batch["labels"]`.
        positives: per label, how many training cases are positive; None before data is read (`medvl check`).
        negatives: likewise.
        cases: number of training cases, or None.
        uncertain: uncertain mentions are a class of their own in `batch["labels"]`, -1 (label policy `multi_class`).
        answers: the classes of `batch["answers"]`, the most frequent in training first, where cases are questions;
            before data is read two that stand for them.
        masks: names of the findings in `batch["mask"]`, in the order of its channels.
    """

    labels: tuple[str, ...] = ()
    positives: tuple[int, ...] | None = None
    negatives: tuple[int, ...] | None = None
    cases: int | None = None
    uncertain: bool = False
    answers: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    sections: tuple[str, ...] = field(default=())


# What `batch["labels"]` holds beside 1, 0 and NaN (unknown) where uncertain mentions are a class of their own.
UNCERTAIN = -1.0

# Probabilities above which a pixel is called positive, in the order that `segmentation` counts them.
THRESHOLDS = tuple(step / 20 for step in range(1, 20))


def slot_of(feature: str) -> str:
    """`image.pooled` -> `image`."""
    return feature.partition(".")[0]


def slots_of(features: Mapping[str, object] | tuple[str, ...]) -> set[str]:
    """The slots (image, text, joint) that these features come from."""
    return {slot_of(name) for name in features}

"""What an objective is: the losses of a stage, and what it does around an optimiser step."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from medvl.models.base import Batch, Model
from medvl.objectives.reconstruction import Reconstruction


class Objective(nn.Module):
    """What a stage optimises. Modules and buffers of its own (heads, queues) are trained and saved with it.

    The constructor's first parameters may be `model` (`medvl.Model`, weights in place) and `data`
    (`medvl.DataSpec`), in any order and each optional; keyword-only parameters are the YAML's.

    Attributes:
        views: names of the radiograph views it wants in the batch; empty where it looks at no image.
        reads: other fields it wants, e.g. `labels`.
        needs: features it asks of the model.
        requires: capabilities of a slot, e.g. {"image": ("masked_tokens",)}.
        predicts: what `predict` gives, e.g. `logits`; evaluators are matched against it.
        wanted: those of them that someone reads; None is all. The engine sets it, and `predict` may leave out the rest.
        dear: those that cost too much for every validation; evaluators that want them wait for the end of the stage,
            unless early stopping reads what they measure.
        compares: the loss compares the cases of a batch with each other, so micro-batches alone would not do; such an
            objective writes `embed` and `compare` in place of `forward`, and accumulation keeps the whole batch's loss.
            What it loses beside, case by case, stands in `alone`.
        aligns: images and texts share a space: `embed_images` and `embed_texts` are there.
        scores_pairs: it says of an image and a text whether they belong together: `score_pairs` is there, and `halves`
            where the features that the fusion reads are not all that is computed once a case.
        trains: there is something to minimise; an objective that only evaluates writes `predict` and no `forward`.
        own_texts: it feeds the text encoder itself (prompts); the cases need none.
        bears_uncertain: -1 in `batch["labels"]`, an uncertain mention (`multi_class`), is not taken for a number.
        tells_uncertain: it learns them as a class, which it then needs.
        segments: it tells where findings stand: `probabilities` is there.
        reconstructs: it restores what it hides of a case: `reconstruction` is there.
        smoke: parameters and what they are at most, or instead, in a smoke run (`medvl.config.smoke`): queues, widths.
    """

    smoke: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    views: ClassVar[tuple[str, ...]] = ("image",)
    reads: ClassVar[tuple[str, ...]] = ()
    needs: tuple[str, ...] = ()
    requires: ClassVar[dict[str, tuple[str, ...]]] = {}
    predicts: ClassVar[tuple[str, ...]] = ()
    wanted: frozenset[str] | None = None
    dear: ClassVar[tuple[str, ...]] = ()
    compares: ClassVar[bool] = False
    aligns: ClassVar[bool] = False
    scores_pairs: ClassVar[bool] = False
    trains: ClassVar[bool] = True
    own_texts: ClassVar[bool] = False
    bears_uncertain: bool = False
    tells_uncertain: bool = False
    segments: ClassVar[bool] = False
    reconstructs: ClassVar[bool] = False

    def forward(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Named scalar losses; the stage minimises their sum."""
        if not self.compares:
            raise NotImplementedError
        return self.compare(self.embed(model, batch)) | self.alone(model, batch)

    def embed(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """What is compared, (B, ...) each: it depends on a case alone, and calling it twice changes nothing."""
        raise NotImplementedError

    def compare(self, embedded: dict[str, Tensor]) -> dict[str, Tensor]:
        """Named scalar losses of embedded cases, of one batch or of several end to end."""
        raise NotImplementedError

    def alone(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Of an objective that compares: named scalar losses that do not. Called once a micro-batch; a step takes their
        mean over micro-batches, as it does of losses in general."""
        return {}

    def embed_images(self, model: Model, batch: Batch) -> Tensor:
        """Of an objective that aligns: (B, D) unit vectors of the images, in the space that texts share."""
        raise NotImplementedError

    def embed_texts(self, model: Model, batch: Batch) -> Tensor:
        """Of an objective that aligns: (B, D) unit vectors of the texts, in the space that images share."""
        raise NotImplementedError

    def halves(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Of an objective that scores pairs: what is computed once a case, (B, ...) each, whatever it is paired with.

        Names begin with `image.` or `text.`. By default what encoders give to the fusion; `text.ids`, `text.mask` and
        `text.tokens` are as long as the longest text of the batch.
        """
        return model(batch, model.expand(self.needs))

    def score_pairs(self, model: Model, halves: dict[str, Tensor]) -> Tensor:
        """(P,) float32, larger where image and text rather belong together; row i of every half makes pair i."""
        raise NotImplementedError

    def probabilities(self, model: Model, batch: Batch) -> Tensor:
        """Of an objective that segments: (B, K, H, W) in [0, 1], of each finding at each pixel of the view `image`."""
        raise NotImplementedError

    def reconstruction(self, model: Model, batch: Batch) -> Reconstruction:
        """Of an objective that reconstructs: what it hides of these cases and how it restores it, for pictures."""
        raise NotImplementedError

    def before_step(self, model: Model) -> None:
        """Once before an optimiser step's first micro-batch, e.g. the momentum move of a key encoder."""

    def after_step(self, model: Model) -> None:
        """Once after an optimiser step, whatever the accumulation, e.g. filling a queue."""

    def predict(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Per-case outputs (B, ...) for evaluators: all that are `wanted`."""
        raise NotImplementedError

    def cautions(self, model: Model) -> dict[str, str]:
        """Output -> what whoever reads a number made of it must know; told by `medvl check` and below the tables."""
        return {}

    def wants(self, *outputs: str) -> bool:
        """Whether someone reads one of these outputs."""
        return self.wanted is None or not self.wanted.isdisjoint(outputs)

    def generator(self, device: torch.device) -> torch.Generator | None:
        """What losses draw from: in training the process's own generator, whose state checkpoints keep.

        In evaluation a fresh one with a fixed seed, so that the losses of two validations can be compared.
        """
        if self.training or device.type == "meta":
            return None
        return torch.Generator(device).manual_seed(0)

    def inherits(self) -> nn.Module:
        """What `init: STAGE` (or `STAGE.TERM`) fills with the weights of that stage's objective: all of this one, for
        most."""
        return self

    def exports(self, model: Model) -> dict[str, nn.Module]:
        """Modules that later stages and other programs can load, by name."""
        slots = {"image": model.image, "text": model.text, "fusion": model.fusion}
        return {name: module for name, module in slots.items() if module is not None}

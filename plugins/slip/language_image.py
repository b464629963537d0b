"""CLIP and ConVIRT: an image finds its report among those of a batch, and a report its image."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

import medvl
from medvl.losses import CLIPLoss

from .heads import Head, projection, unit
from .released import HalfNormalised

LARGEST_SCALE = 100.0  # CLIP (Radford 2021, section 2.5): a larger one makes training unstable


class LanguageImage(medvl.Objective):
    """What CLIP and ConVIRT share: a head on each pooled feature, and a loss over all pairs of the batch.

    Args:
        model: gives a pooled image and a pooled text.
        dim: D of the shared space.
        image_head, text_head: kinds of the heads.
        loss: called with this process's images and texts, the scale, and those of all processes.
        normalises: whether the loss gets vectors of unit length.
    """

    views: ClassVar[tuple[str, ...]] = ("image",)
    needs = ("image.pooled", "text.pooled")
    compares = True
    aligns = True
    predicts: ClassVar[tuple[str, ...]] = ("image_embeddings", "text_embeddings")
    log_scale: Tensor  # (); what similarities are multiplied by, as a logarithm

    def __init__(
        self, model: medvl.Model, dim: int, image_head: Head, text_head: Head, loss: nn.Module, normalises: bool = True
    ) -> None:
        super().__init__()
        self.image_head = projection(model.width("image.pooled"), dim, image_head)
        self.text_head = projection(model.width("text.pooled"), dim, text_head)
        self.loss, self.normalises = loss, normalises

    def embed(self, model: medvl.Model, batch: medvl.Batch) -> dict[str, Tensor]:
        """`image` and `text` in the shared space, from `batch["image"]` (B, 1, H, W) and the texts: (B, D) each."""
        features = model(batch, self.needs)
        image, text = self.image_head(features["image.pooled"]), self.text_head(features["text.pooled"])
        return {"image": unit(image), "text": unit(text)} if self.normalises else {"image": image, "text": text}

    def compare(self, embedded: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss under `clip` or `convirt`: each process scores its own cases against those of all."""
        image, text = embedded["image"], embedded["text"]
        loss = self.loss(
            image,
            text,
            self.log_scale.exp(),
            images=medvl.gather_with_gradient(image),
            texts=medvl.gather_with_gradient(text),
            offset=medvl.world()[0] * len(image),
        )
        return {type(self).__name__.lower(): loss}

    def predict(self, model: medvl.Model, batch: medvl.Batch) -> dict[str, Tensor]:
        """What the evaluator `retrieval` reads: `image_embeddings` and `text_embeddings`, (B, D) each."""
        return {f"{side}_embeddings": embedded for side, embedded in self.embed(model, batch).items()}

    def embed_images(self, model: medvl.Model, batch: medvl.Batch) -> Tensor:
        """(B, D) unit vectors of `batch["image"]`."""
        return unit(self.image_head(model(batch, ("image.pooled",))["image.pooled"]))

    def embed_texts(self, model: medvl.Model, batch: medvl.Batch) -> Tensor:
        """(B, D) unit vectors of the texts."""
        return unit(self.text_head(model(batch, ("text.pooled",))["text.pooled"]))

    def exports(self, model: medvl.Model) -> dict[str, nn.Module]:
        """The encoders, and the heads as `image_projection` and `text_projection`."""
        return super().exports(model) | {"image_projection": self.image_head, "text_projection": self.text_head}


class CLIP(LanguageImage):
    """CLIP (Radford 2021) as in Huang 2023: mean of both cross entropies over the pairs of a batch.

    Args:
        model: gives a pooled image and a pooled text.
        preset: `paper` is the formula as printed, with a learned scale and batch norm in both heads; `released` the
            first author's code: one side not of unit length, a fixed scale, `mlp` for images and `residual` for texts.
        dim: D of the shared space.
        temperature: what similarities are divided by, at the start where the scale is learned; at least 0.01.
        learned: whether the scale, 1 / temperature, is learned; None is the preset's. It stays between 1 and 100.
        image_head, text_head: `mlp_bn`, `mlp` or `residual`; None is the preset's.
        chunk: cases scored at once, for batches whose square is too large for the memory; None scores all at once.

    Raises:
        ConfigError: the temperature is out of its range, or chunk is below 1.
    """

    def __init__(
        self,
        model: medvl.Model,
        *,
        preset: Literal["paper", "released"] = "paper",
        dim: int = 512,
        temperature: float = 0.07,
        learned: bool | None = None,
        image_head: Head | None = None,
        text_head: Head | None = None,
        chunk: int | None = None,
    ) -> None:
        if temperature < 1 / LARGEST_SCALE:
            raise medvl.ConfigError(f"temperature must be at least {1 / LARGEST_SCALE}, not {temperature}")
        paper = preset == "paper"
        super().__init__(
            model,
            dim,
            image_head or ("mlp_bn" if paper else "mlp"),
            text_head or ("mlp_bn" if paper else "residual"),
            CLIPLoss(chunk=chunk) if paper else HalfNormalised(chunk),
            normalises=paper,
        )
        log_scale = torch.tensor(-math.log(temperature))
        if paper if learned is None else learned:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)

    @torch.no_grad()
    def after_step(self, model: medvl.Model) -> None:
        """Keep a learned scale between 1 and 100."""
        if self.log_scale.requires_grad:
            self.log_scale.clamp_(0, math.log(LARGEST_SCALE))


class ConVIRT(LanguageImage):
    """ConVIRT (Zhang 2022, equations 2 to 4): image-to-text weighs more than text-to-image, and the scale is fixed.

    Its lower text layers do not train: write `frozen_layers: 6` in the text encoder's slot.

    Args:
        model: gives a pooled image and a pooled text.
        preset: `paper` has batch norm in both heads, `released` (the first author's code) has none.
        dim: D of the shared space.
        temperature: divides the similarities; above 0.
        image_share: share of image-to-text in the loss, in [0, 1].
        image_head, text_head: `mlp_bn`, `mlp` or `residual`; None is the preset's.
        chunk: cases scored at once, for batches whose square is too large for the memory; None scores all at once.

    Raises:
        ConfigError: a value out of its range.
    """

    def __init__(
        self,
        model: medvl.Model,
        *,
        preset: Literal["paper", "released"] = "paper",
        dim: int = 512,
        temperature: float = 0.1,
        image_share: float = 0.75,
        image_head: Head | None = None,
        text_head: Head | None = None,
        chunk: int | None = None,
    ) -> None:
        if temperature <= 0:
            raise medvl.ConfigError(f"temperature must be above 0, not {temperature}")
        usual: Head = "mlp_bn" if preset == "paper" else "mlp"
        loss = CLIPLoss(image_share=image_share, chunk=chunk)
        super().__init__(model, dim, image_head or usual, text_head or usual, loss)
        self.register_buffer("log_scale", torch.tensor(-math.log(temperature)))

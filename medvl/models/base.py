"""What encoders and fusions are, and the model that a stage assembles from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from medvl.contract import TEXT_IDS, Feature, slot_of
from medvl.errors import ConfigError
from medvl.models.passes import run_once, wanted_of

if TYPE_CHECKING:
    from pathlib import Path

    from medvl.models.masks.attention import SchemeMask
    from medvl.models.tokenizer import Tokenizer

Batch = dict[str, Any]


class ImageEncoder(nn.Module):
    """Radiographs to tokens and a pooled vector.

    The constructor's first parameter is `size`, the side of its input in pixels, which the stage's view gives;
    keyword-only parameters are the YAML's.

    Attributes:
        tokens_width, pooled_width: D of `tokens` and of `pooled`.
        grid: (height, width) of the tokens, or None where they have none.
        tokens: number of tokens N.
        capabilities: of `medvl.contract.CAPABILITIES`.
    """

    modality: ClassVar[str] = "image"
    capabilities: frozenset[str] = frozenset()
    tokens_width: int
    pooled_width: int
    tokens: int
    grid: tuple[int, int] | None = None

    def forward(self, images: Tensor, needs: Collection[str] = ("pooled",)) -> dict[str, Tensor]:
        """(B, 1, H, W) float -> those of {"tokens": (B, N, D), "pooled": (B, D)} that are needed."""
        raise NotImplementedError

    def blocks(self) -> list[list[nn.Parameter]]:
        """Parameters from the input to the output, for a learning rate that decays with depth; all in one for most."""
        return [list(self.parameters())]

    def features(self) -> list[Feature]:
        """What this encoder gives."""
        return [
            Feature("image.tokens", self.tokens_width, self.tokens, self.grid),
            Feature("image.pooled", self.pooled_width),
        ]


class TextEncoder(nn.Module):
    """Token ids to tokens and a pooled vector.

    The constructor's first parameter is `corpus` (`medvl.models.tokenizer.Corpus`): the training texts, for an
    encoder that trains its vocabulary, and the tokenizer file of an earlier stage where there is one.

    Attributes:
        tokenizer: turns texts into ids.
        width: D of `tokens` and `pooled`.
        positions: longest sequence that the encoder takes.
        capabilities: `joint` where `embed`, `joint` and `pool` are there.
    """

    modality: ClassVar[str] = "text"
    capabilities: frozenset[str] = frozenset()
    tokenizer: Tokenizer
    width: int
    positions: int

    def forward(self, ids: Tensor, mask: Tensor, needs: Collection[str] = ("pooled",)) -> dict[str, Tensor]:
        """ids (B, T) int64, mask (B, T) bool True on real tokens -> those of tokens (B, T, D), pooled (B, D)."""
        raise NotImplementedError

    @property
    def table(self) -> Tensor:
        """The word embeddings (V, D), which a vocabulary head may share."""
        raise NotImplementedError

    def embed(self, ids: Tensor) -> Tensor:
        """Word embeddings alone, without positions, segments or normalisation: (B, T) -> (B, T, D)."""
        raise NotImplementedError

    def joint(self, embeddings: Tensor, positions: Tensor, segments: Tensor, allow: Tensor | SchemeMask) -> Tensor:
        """The transformer over embeddings from anywhere (image tokens, words).

        Args:
            embeddings: (B, S, D) before positions, segments and normalisation.
            positions: (B, S) or (1, S) int64 position ids.
            segments: (B, S) or (1, S) int64 segment ids.
            allow: a scheme at a layout (`medvl.scheme_mask`); or bool, True = may attend, (B, S) over keys or
                (B, S, S).

        Returns:
            (B, S, D), the last layer.
        """
        raise NotImplementedError

    def pool(self, tokens: Tensor) -> Tensor:
        """The encoder's own pooler on the first token: (B, S, D) -> (B, D)."""
        raise NotImplementedError

    def features(self) -> list[Feature]:
        """What this encoder gives."""
        return [Feature("text.tokens", self.width), Feature("text.pooled", self.width)]

    def save_files(self, folder: Path) -> None:
        """Write what weights alone do not hold: the tokenizer."""
        self.tokenizer.save(folder / "tokenizer.json")


class Fusion(nn.Module):
    """Joins image and text. The constructor takes `model` (with both encoders in place) and YAML parameters.

    Attributes:
        needs: the features it reads; `text.ids` stands for the token ids themselves.
        requires: capabilities of a slot, e.g. {"text": ("joint",)}.
        gives: of `joint.cls`, `joint.tokens`, `joint.text`.
        width: D of what it gives.
    """

    needs: tuple[str, ...] = ()
    requires: ClassVar[dict[str, tuple[str, ...]]] = {}
    gives: tuple[str, ...] = ("joint.cls",)
    width: int

    def forward(self, model: Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """From the needed features (`text.ids` comes with `text.mask`) to {"joint.cls": (B, D), ...}."""
        raise NotImplementedError

    def features(self) -> list[Feature]:
        """What this fusion gives."""
        return [Feature(name, self.width) for name in self.gives]


class Model(nn.Module):
    """A stage's image, text and fusion slots. Calling it computes the features that are asked for, and no others."""

    def __init__(self, image: ImageEncoder | None = None, text: TextEncoder | None = None) -> None:
        super().__init__()
        self.image = image
        self.text = text
        self.fusion: Fusion | None = None  # set after construction: a fusion is built on the encoders
        self._still: set[str] = set()

    def freeze(self, slot: str, *, buffers: bool = True) -> None:
        """Keep a slot's weights as they are: no gradient reaches them.

        Args:
            slot: image, text or fusion; filled.
            buffers: keep its buffers too: the slot stays in evaluation mode whatever mode the model is put into, so
                that batch statistics do not move and nothing is dropped out.
        """
        module = getattr(self, slot)
        module.requires_grad_(False)
        if buffers:
            self._still.add(slot)
            module.eval()

    def train(self, mode: bool = True) -> Self:
        """As of any module; frozen slots stay in evaluation mode."""
        super().train(mode)
        for slot in self._still:
            module = getattr(self, slot)
            if module is not None:
                module.eval()
        return self

    def features(self) -> dict[str, Feature]:
        """Everything this model can give, by name."""
        slots = (self.image, self.text, self.fusion)
        return {feature.name: feature for slot in slots if slot is not None for feature in slot.features()}

    def width(self, name: str) -> int:
        """D of a feature.

        Raises:
            ConfigError: the model does not give it.
        """
        given = self.features()
        if name not in given:
            slot = slot_of(name).replace("joint", "fusion")
            raise ConfigError(
                f"{name} is needed, and the model gives {', '.join(given) or 'nothing'}. fill the {slot} slot"
            )
        return given[name].width

    def expand(self, needs: Iterable[str]) -> set[str]:
        """`needs` with what the fusion reads in place of `joint.*`: the features that encoders must give."""
        asked = set(needs)
        if any(slot_of(name) == "joint" for name in asked):
            assert self.fusion is not None, "joint features need a fusion"
            asked |= set(self.fusion.needs)
        return {name for name in asked if slot_of(name) != "joint"}

    def forward(self, batch: Batch, needs: Iterable[str]) -> dict[str, Tensor]:
        """The features named in `needs`, from `batch["image"]` and `batch["text.ids"]`, `batch["text.mask"]`.

        A feature of the image that the batch brings along (`batch["image.pooled"]`) is taken from there.
        """
        needs = tuple(needs)
        asked = self.expand(needs)
        found: dict[str, Tensor] = {name: batch[name] for name in asked if slot_of(name) == "image" and name in batch}
        image = {name for name in asked - found.keys() if slot_of(name) == "image"}
        if image:
            found |= self._encode("image", image, batch["image"])
        text = {name for name in asked if slot_of(name) == "text" and name != TEXT_IDS}
        if text:
            found |= self._encode("text", text, batch["text.ids"], batch["text.mask"])
        if TEXT_IDS in asked:
            found |= {TEXT_IDS: batch["text.ids"], "text.mask": batch["text.mask"]}
        joint = {name for name in needs if slot_of(name) == "joint"}
        if joint:
            fusion = self.fusion
            assert fusion is not None
            read = tuple(found[name] for name in fusion.needs)
            found |= run_once(fusion, read, joint, lambda: fusion(self, found))
        return found

    def _encode(self, slot: str, asked: set[str], *inputs: Tensor) -> dict[str, Tensor]:
        """Of one encoder the features that are asked for; it computes those that others will ask of this input too."""
        encoder: nn.Module = getattr(self, slot)
        also = {name for name in self.expand(wanted_of(inputs[0])) if slot_of(name) == slot and name != TEXT_IDS}
        names = {name.partition(".")[2] for name in asked | also}
        found = run_once(encoder, inputs, names, lambda: encoder(*inputs, names))
        return {name: found[name.partition(".")[2]] for name in asked}


def device_of(module: nn.Module) -> torch.device:
    """The device of a module's first parameter."""
    return next(module.parameters()).device

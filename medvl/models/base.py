"""What encoders and fusions are, and the model that a stage assembles from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import torch
from torch import Tensor, nn

from medvl.contract import TEXT_IDS, Feature, slot_of
from medvl.errors import ConfigError
from medvl.models.cells import Cells
from medvl.models.passes import run_once, wanted_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from medvl.models.joint_cache import JointCache
    from medvl.models.masks.attention import Scheme, SchemeMask
    from medvl.models.places import JointPlaces
    from medvl.models.tokenizer import Tokenizer
    from medvl.models.weights import Coverage

Batch = dict[str, Any]


class Encoder(nn.Module):
    """What encoders of images and of texts share.

    Attributes:
        coverage: what the weights covered that its parameters name, or None for random ones.
    """

    coverage: Coverage | None = None

    def notes(self) -> list[str]:
        """Sentences that a reader of results must see: what the weights did not cover."""
        return [] if self.coverage is None else self.coverage.notes()


class ImageEncoder(Encoder):
    """Radiographs to tokens and a pooled vector.

    The constructor's first parameter is `size`, the side of its input in pixels, which the stage's view gives;
    keyword-only parameters are the YAML's.

    Attributes:
        tokens_width, pooled_width: D of `tokens` and of `pooled`.
        grid: (height, width) of the tokens, or None where they have none.
        tokens: number of tokens N.
        patch: side of a token's patch in pixels, where tokens are patches.
        capabilities: of `medvl.contract.CAPABILITIES`; `masked_tokens` where `masked` is there.
        may_lack: names of its tensors that start anew where earlier weights have none, e.g. of a new normalisation.
    """

    modality: ClassVar[str] = "image"
    capabilities: frozenset[str] = frozenset()
    tokens_width: int
    pooled_width: int
    tokens: int
    grid: tuple[int, int] | None = None
    patch: int | None = None
    may_lack: frozenset[str] = frozenset()

    def forward(self, images: Tensor, needs: Collection[str] = ("pooled",)) -> dict[str, Tensor]:
        """(B, 1, H, W) float -> those of {"tokens": (B, N, D), "pooled": (B, D)} that are needed."""
        raise NotImplementedError

    def masked(self, images: Tensor, keep: Tensor) -> Tensor:
        """The tokens of the kept patches alone, which see no others.

        Args:
            images: (B, 1, H, W) float.
            keep: (B, n) int64, numbers of the kept patches, row by row in the grid, each once, in any order.

        Returns:
            (B, P + n, D): class and register tokens, where there are such, then the patches in the order of `keep`.
        """
        raise NotImplementedError

    def cells(self) -> Cells | None:
        """Where inside the image still lies in cells, for maps of where the encoder looks; None where none is known."""
        return None

    def blocks(self) -> list[list[nn.Parameter]]:
        """Parameters from the input to the output, for a learning rate that decays with depth; all in one for most."""
        return [list(self.parameters())]

    def features(self) -> list[Feature]:
        """What this encoder gives."""
        return [
            Feature("image.tokens", self.tokens_width, self.tokens, self.grid),
            Feature("image.pooled", self.pooled_width),
        ]


class TextEncoder(Encoder):
    """Token ids to tokens and a pooled vector.

    The constructor's first parameter is `corpus` (`medvl.models.tokenizer.Corpus`): the training texts, for an
    encoder that trains its vocabulary, and the tokenizer file of an earlier stage where there is one.

    Attributes:
        tokenizer: turns texts into ids.
        width: D of `tokens` and `pooled`.
        positions: longest sequence that the encoder takes.
        capabilities: `joint` where `embed`, `joint`, `joint_cache` and `pool` are there; `attentions` where that is;
            `conditioned` where `conditioned` is.
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

    def conditioned(self, ids: Tensor, mask: Tensor, added: Tensor, *, padding: bool = False) -> Tensor:
        """The transformer over words and vectors that are added to their embeddings, behind the normalisation.

        Args:
            ids: (B, T) int64.
            mask: (B, T) bool, True on real tokens.
            added: (B, T, D), 0 where nothing is to be added.
            padding: compute padding too, which reads the real tokens and is read by none.

        Returns:
            (B, T, D), the last layer; without `padding`, 0 there.
        """
        raise NotImplementedError

    def joint_cache(self, embeddings: Tensor, positions: Tensor, segments: Tensor, room: int) -> JointCache:
        """The beginning of a joint sequence that will grow by up to `room` tokens, none of which it sees.

        Args:
            embeddings: (B, P, D) before positions, segments and normalisation.
            positions: (B, P) or (1, P) int64 position ids.
            segments: (B, P) or (1, P) int64 segment ids.
            room: most tokens behind it.
        """
        raise NotImplementedError

    def pool(self, tokens: Tensor) -> Tensor:
        """The encoder's own pooler on the first token: (B, S, D) -> (B, D)."""
        raise NotImplementedError

    def attentions(self) -> AbstractContextManager[list[Tensor]]:
        """Inside, a pass of the transformer appends the attention probabilities of each layer, (B, heads, S, S), lowest
        first. What the pass gives stays the same."""
        raise NotImplementedError

    def features(self) -> list[Feature]:
        """What this encoder gives."""
        return [Feature("text.tokens", self.width), Feature("text.pooled", self.width)]

    def save_files(self, folder: Path) -> None:
        """Write what weights alone do not hold: the tokenizer."""
        self.tokenizer.save(folder / "tokenizer.json")


class Writing(Protocol):
    """The reports that a fusion is writing: one a row, all of the same number of words so far."""

    def select(self, rows: Tensor) -> None:
        """Go on with these rows, (M,) int64, in this order: finished ones leave, and beams take each other's place."""
        ...


class Fusion(nn.Module):
    """Joins image and text. The constructor takes `model` (with both encoders in place) and YAML parameters.

    One that writes text has the capability `generate`, and what stands from `begin` on.

    Attributes:
        needs: the features it reads; `text.ids` stands for the token ids themselves.
        requires: capabilities of a slot, e.g. {"text": ("joint",)}.
        gives: of `joint.cls`, `joint.tokens`, `joint.text`.
        width: D of what it gives.
        capabilities: of `medvl.contract.CAPABILITIES`: `generate`; `mask_scheme` where `mask` is a scheme.
        writes: where a word's features come from. `hidden`: from a [MASK] in its place, as of a BERT under `seq2seq`.
            `next`: from the token before it, as of a recurrent net; `joint.text` at a column then says what stands in
            the next one. None where the fusion does not write.
        mask: the attention-mask scheme, of a fusion with `mask_scheme`. Objectives set it.
    """

    needs: tuple[str, ...] = ()
    requires: ClassVar[dict[str, tuple[str, ...]]] = {}
    gives: tuple[str, ...] = ("joint.cls",)
    width: int
    capabilities: frozenset[str] = frozenset()
    writes: ClassVar[Literal["hidden", "next"] | None] = None
    mask: Scheme

    def forward(self, model: Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """From the needed features (`text.ids` comes with `text.mask`) to {"joint.cls": (B, D), ...}."""
        raise NotImplementedError

    def begin(self, model: Model, features: dict[str, Tensor], most: int) -> Writing:
        """An empty report for each image.

        Args:
            model: the whole one.
            features: those that it `needs` of the image, of which nothing is computed again later; and `text.ids`
                (B, 1), the [CLS] that every report begins with.
            most: of the longest report, in tokens without [CLS] and [SEP].
        """
        raise NotImplementedError

    def step(self, model: Model, state: Writing, words: Tensor | None) -> Tensor:
        """Features (B, D) of the next word, which a vocabulary head turns into scores.

        It moves `state` on in place. In evaluation mode a report depends on its own image and words alone.

        Args:
            model: the whole one.
            state: what `begin` gave.
            words: (B,) int64, what was written after the step before; None at the first.
        """
        raise NotImplementedError

    def next_words(self, model: Model, features: dict[str, Tensor]) -> Tensor:
        """Features of every word of given reports, each from the image and the words before it alone.

        Args:
            model: the whole one.
            features: all that it `needs`, `text.ids` (B, T) with `text.mask`.

        Returns:
            (B, T - 1, D): of the words in columns 1, 2, ... A fusion that writes `hidden` should do in one pass what
            is done here step by step.
        """
        if self.writes == "next":
            return self(model, features)["joint.text"][:, :-1]
        ids = features["text.ids"]
        state = self.begin(model, features | {"text.ids": ids[:, :1]}, ids.shape[1] - 2)
        words = [None, *ids[:, 1:-1].unbind(1)]
        return torch.stack([self.step(model, state, word) for word in words], 1)

    def places(self, model: Model, columns: int) -> JointPlaces | None:
        """Where the one joint sequence of `forward` holds the image and a text, for pictures of who attends to whom.

        Args:
            model: that it is part of.
            columns: T, of a text of this length alone ([CLS] and [SEP] included).

        Returns:
            None where there is no joint sequence, or the image in it has no grid.
        """
        return None

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

    def notes(self) -> list[str]:
        """The encoders' sentences for readers of results."""
        return [note for encoder in (self.image, self.text) if encoder is not None for note in encoder.notes()]

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

        An encoder's feature that the batch brings along (`batch["image.pooled"]`) is taken from there.
        """
        needs = tuple(needs)
        asked = self.expand(needs)
        found: dict[str, Tensor] = {name: batch[name] for name in asked if name in batch}
        image = {name for name in asked - found.keys() if slot_of(name) == "image"}
        if image:
            found |= self._encode("image", image, batch["image"])
        text = {name for name in asked - found.keys() if slot_of(name) == "text" and name != TEXT_IDS}
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

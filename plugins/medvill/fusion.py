"""MedViLL's single stream: sampled image tokens and report words through one transformer, under any attention mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

import medvl

Mask = Callable[[medvl.Layout], Tensor]


class MedViLL(medvl.Fusion):
    """`[CLS] image tokens [SEP] words [SEP]` through the text slot's transformer (Moon 2022).

    In training a part of the image tokens is drawn at random, one drawing a batch, kept in the order of the grid;
    in evaluation all of them are read. `joint.cls` is BERT's tanh pooler at [CLS]. Under a scheme with a [CLS] of the
    text's own (`non_crossing`) it is the product of both [CLS]' poolers, for neither has seen the other part.
    `joint.cls_sep` is the product of the last layer at [CLS] and at the [SEP] after the image, without a pooler: the
    released code answers questions from it.

    `paper` adds a token's location and segment before the linear map to the words' width. `released` adds after it,
    from the position and segment tables of the BERT; an image token's position is its number in the grid, row by row.
    In both, [CLS] and the first [SEP] have position 0, and the text counts from 0 again.

    It writes as it reads under `seq2seq`, whatever its mask: a word comes from a [MASK] in its place, which sees the
    image and the words before it. The image's keys and values, and those of past words, are computed once.

    Args:
        model: with both encoders in place; gives widths and [SEP].
        preset: where location and segment come in, as above.
        sampled: how many image tokens are drawn in training; None takes all.
        mask: which positions see which; a mask scheme.

    Raises:
        ConfigError: more image tokens are to be drawn than there are, or the BERT has fewer positions than the grid
            has cells.
    """

    smoke: ClassVar[dict[str, int]] = {"sampled": 2}
    needs = ("image.tokens", "text.ids")
    requires: ClassVar[dict[str, tuple[str, ...]]] = {"text": ("joint",)}
    gives = ("joint.cls", "joint.tokens", "joint.text", "joint.cls_sep")
    capabilities = frozenset({"generate", "mask_scheme"})
    writes: ClassVar[Literal["hidden"]] = "hidden"
    sep: Tensor

    def __init__(
        self,
        model: medvl.Model,
        *,
        preset: Literal["paper", "released"] = "paper",
        sampled: int | None = None,
        mask: Annotated[Mask, medvl.Slot("mask")] = "bar",  # type: ignore[assignment]  # replaced by the function
    ) -> None:
        super().__init__()
        assert model.image is not None and model.text is not None, "a fusion is built on both encoders"
        _check(model, sampled)
        self.width = model.text.width
        self.preset = preset
        self.sampled = sampled
        self.mask = mask
        self.project = nn.Linear(model.image.tokens_width, self.width)
        self.place = LocationAndSegment(model.image) if preset == "paper" else nn.Identity()
        self.register_buffer("sep", torch.tensor([[model.text.tokenizer.sep]]), persistent=False)

    @property
    def text_cls(self) -> bool:
        """Whether the text has a [CLS] of its own."""
        return getattr(self.mask, "text_cls", False)

    def forward(self, model: medvl.Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """From image.tokens (B, N, D'), text.ids and text.mask (B, T) to the joint features.

        Returns:
            joint.cls and joint.cls_sep (B, D), joint.tokens (B, S, D) and joint.text (B, T, D). S is N + T + 1, N the
            image tokens that were drawn, and one more where the text has its own [CLS].
        """
        assert model.text is not None
        tokens, ids, lengths = features["image.tokens"], features["text.ids"], features["text.mask"].sum(1)
        drawn = self.draw(tokens.shape[1], tokens.device)  # (N,)
        image = self.project(self.place(tokens)[:, drawn])  # (B, N, D)
        cls, sep = ids[:, :1], self.sep.expand(len(ids), -1)
        if not self.text_cls:
            ids, lengths = ids[:, 1:], lengths - 1  # [CLS] stands in front of the image
        # all words in one look-up: each would have a gradient as large as the table
        words = model.text.embed(torch.cat([cls, sep, ids], 1))  # (B, 2 + text, D)
        joined = torch.cat([words[:, :1], image, words[:, 1:]], 1)  # (B, S, D)
        layout = medvl.Layout(image.shape[1] + 2, ids.shape[1], lengths)
        positions, segments = self._places(layout, drawn)
        allow = medvl.scheme_mask(self.mask, layout, training=self.training)
        return self._read(model.text, model.text.joint(joined, positions, segments, allow), layout.prefix)

    def begin(self, model: medvl.Model, features: dict[str, Tensor], most: int) -> medvl.HiddenWriting:
        """`[CLS] image tokens [SEP]`, from image.tokens (B, N, D')."""
        assert model.text is not None
        return medvl.HiddenWriting(model.text, self._prefix(model.text, features), most)

    def step(self, model: medvl.Model, state: medvl.Writing, words: Tensor | None) -> Tensor:
        """(B, D) at the [MASK] behind the words so far."""
        assert isinstance(state, medvl.HiddenWriting)
        return state.step(words)

    def next_words(self, model: medvl.Model, features: dict[str, Tensor]) -> Tensor:
        """(B, T - 1, D) in one pass, with a [MASK] for every word."""
        assert model.text is not None
        return medvl.next_hidden_words(model.text, self._prefix(model.text, features), features["text.ids"])

    def _prefix(self, text: medvl.TextEncoder, features: dict[str, Tensor]) -> medvl.Prefix:
        tokens, cls = features["image.tokens"], features["text.ids"][:, :1]
        drawn = self.draw(tokens.shape[1], tokens.device)
        image = self.project(self.place(tokens)[:, drawn])  # (B, N, D)
        ends = text.embed(torch.cat([cls, self.sep.expand(len(cls), -1)], 1))  # (B, 2, D)
        embeddings = torch.cat([ends[:, :1], image, ends[:, 1:]], 1)
        return medvl.Prefix(embeddings, *self._places(medvl.Layout(embeddings.shape[1], 0, cls[:, 0] * 0), drawn))

    def places(self, model: medvl.Model, columns: int) -> medvl.JointPlaces | None:
        """See `medvl.Fusion.places`: all cells in a row behind [CLS], then [SEP] and the text."""
        assert model.image is not None
        if model.image.grid is None:
            return None
        cells = model.image.tokens
        text = torch.arange(columns) + cells + 2
        if not self.text_cls:
            text -= 1
            text[0] = 0
        return medvl.JointPlaces(model.image.grid, torch.arange(cells) + 1, text)

    def draw(self, tokens: int, device: torch.device) -> Tensor:
        """(N,) int64, the numbers of the image tokens that are read, ascending."""
        if not self.training or self.sampled is None:
            return torch.arange(tokens, device=device)
        return torch.randperm(tokens, device=device)[: self.sampled].sort().values

    def _places(self, layout: medvl.Layout, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Position and segment ids (1, S) of the BERT's tables."""
        end = drawn.new_zeros(1)
        # in the paper's layout image tokens bring their location along; the BERT's first row is the same for all
        image = drawn if self.preset == "released" else torch.zeros_like(drawn)
        positions = torch.cat([end, image, end, torch.arange(layout.text, device=drawn.device)])
        return positions[None], (layout.key >= layout.prefix).long()[None]

    def _read(self, text: medvl.TextEncoder, tokens: Tensor, prefix: int) -> dict[str, Tensor]:
        words = tokens[:, prefix:]
        found = {"joint.cls": text.pool(tokens), "joint.tokens": tokens}
        found["joint.cls_sep"] = tokens[:, 0] * tokens[:, prefix - 1]
        if self.text_cls:
            found["joint.cls"] = found["joint.cls"] * text.pool(words)
        return found | {"joint.text": words if self.text_cls else torch.cat([tokens[:, :1], words], 1)}


class LocationAndSegment(nn.Module):
    """Learned vectors of a token's place in the grid and of the image itself, added at the encoder's width.

    Args:
        image: the encoder whose tokens come in.
    """

    def __init__(self, image: medvl.ImageEncoder) -> None:
        super().__init__()
        self.location = nn.Parameter(torch.zeros(image.tokens, image.tokens_width))
        self.segment = nn.Parameter(torch.zeros(image.tokens_width))
        for table in (self.location, self.segment):
            nn.init.normal_(table, std=0.02)  # as BERT's own tables

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) -> the same shape; N is all tokens of the grid."""
        return tokens + self.location + self.segment


def _check(model: medvl.Model, sampled: int | None) -> None:
    assert model.image is not None and model.text is not None
    tokens, positions = model.image.tokens, model.text.positions
    if sampled is not None and not 1 <= sampled <= tokens:
        raise medvl.ConfigError(
            f"sampled: {sampled} is not between 1 and the {tokens} tokens of the image encoder. "
            "do: leave it out to take all"
        )
    if tokens > positions:
        raise medvl.ConfigError(
            f"medvill numbers {tokens} image tokens, and the text encoder has {positions} positions. "
            "do: shrink the view, or raise positions"
        )

"""The multimodal bitransformer: image tokens in front of the words of a BERT (Kiela 2019, section 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import torch
from medvl_mmbt.pooling import GridPool
from torch import Tensor, nn

import medvl

Mask = Callable[[medvl.Layout], Tensor]


class MMBT(medvl.Fusion):
    """`[CLS] image tokens [SEP] words` through the text slot's transformer; `joint.cls` is its tanh pooler at [CLS].

    A linear layer brings image tokens to the words' width. The image part, [CLS] and [SEP] included, and the text
    part count their positions from 0 each and have a segment each.

    `paper` is Kiela 2019 (facebookresearch/mmbt): the words alone follow, image segment 0, text segment 1.
    `released` is the chest radiograph version behind Jacenkow 2022 and Dalla Serra 2022 (jacenkow/mmbt): the words
    keep their own [SEP], image segment 1, text segment 0. That code also repeats the last text column, to keep the
    length of 128; the copy is masked as a key and nothing reads it as a row, so leaving it out changes no other output.

    Args:
        model: with both encoders in place; gives widths, [CLS] and [SEP].
        preset: the layout, as above.
        image_tokens: pool the image grid to so many tokens, as close to a square as divisors allow; None keeps all.
        image_pool: how to pool.
        cls: what `joint.cls` is: BERT's tanh pooler at [CLS], as in both codes, or [CLS] itself, which a BERT that
            starts from random weights learns through sooner.
        mask: which positions see which; a mask scheme.

    Raises:
        ConfigError: the image part is longer than the positions of the BERT, or image tokens cannot be pooled.
    """

    needs = ("image.tokens", "text.ids")
    requires: ClassVar[dict[str, tuple[str, ...]]] = {"text": ("joint",)}
    gives = ("joint.cls", "joint.tokens", "joint.text")
    ends: Tensor

    def __init__(
        self,
        model: medvl.Model,
        *,
        preset: Literal["paper", "released"] = "paper",
        image_tokens: int | None = None,
        image_pool: Literal["avg", "max"] = "avg",
        cls: Literal["pooler", "token"] = "pooler",
        mask: Annotated[Mask, medvl.Slot("mask")] = "bidirectional",  # type: ignore[assignment]  # name or function
    ) -> None:
        super().__init__()
        assert model.image is not None and model.text is not None, "a fusion is built on both encoders"
        self.width = model.text.width
        self.preset = preset
        self.cls = cls
        self.mask = mask
        self.pool = nn.Identity() if image_tokens is None else GridPool(model.image, image_tokens, image_pool)
        self.project = nn.Linear(model.image.tokens_width, self.width)
        tokenizer = model.text.tokenizer
        self.register_buffer("ends", torch.tensor([[tokenizer.cls, tokenizer.sep]]), persistent=False)
        self._check(model.text.positions, image_tokens or model.image.tokens)

    def forward(self, model: medvl.Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """From image.tokens (B, N, D'), text.ids and text.mask (B, T) to joint.cls (B, D), joint.tokens (B, S, D),
        joint.text (B, T, D).

        S is N + T in the `paper` layout, N + T + 1 in the `released` one.
        """
        assert model.text is not None
        ids, lengths = self._words(features["text.ids"], features["text.mask"])
        image = self._image(model.text, features["image.tokens"])  # (B, N + 2, D)
        joined = torch.cat([image, model.text.embed(ids)], 1)  # (B, S, D)
        layout = medvl.Layout(image.shape[1], ids.shape[1], lengths)
        positions, segments = self._places(layout, ids.device)
        allow = medvl.scheme_mask(self.mask, layout, training=self.training)
        tokens = model.text.joint(joined, positions, segments, allow)
        cls = model.text.pool(tokens) if self.cls == "pooler" else tokens[:, 0]
        text = torch.cat([tokens[:, :1], tokens[:, layout.prefix :]], 1)
        if self.preset == "paper":  # its text has no [SEP], so the last column is padding in every case
            text = nn.functional.pad(text, (0, 0, 0, 1))
        return {"joint.cls": cls, "joint.tokens": tokens, "joint.text": text}

    def places(self, model: medvl.Model, columns: int) -> medvl.JointPlaces | None:
        """See `medvl.Fusion.places`: the pooled cells in a row behind [CLS], then [SEP] and the words."""
        assert model.image is not None
        grid = self.pool.shape if isinstance(self.pool, GridPool) else model.image.grid
        if grid is None:
            return None
        cells = grid[0] * grid[1]
        text = torch.arange(columns) + cells + 1
        text[0] = 0
        if self.preset == "paper":
            text[-1] = -1  # its [SEP] is left out
        return medvl.JointPlaces(grid, torch.arange(cells) + 1, text)

    def _words(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The text part and its real lengths (B,), from `[CLS] words [SEP]` of which [CLS] moves to the front."""
        lengths = mask.sum(1)
        if self.preset == "released":
            return ids[:, 1:], lengths - 1
        # without [SEP] the longest text is a column shorter; in the others' the [SEP] left is padding
        return ids[:, 1:-1], lengths - 2

    def _image(self, text: medvl.TextEncoder, tokens: Tensor) -> Tensor:
        ends = text.embed(self.ends).expand(len(tokens), -1, -1)  # (B, 2, D): [CLS], [SEP]
        image = self.project(self.pool(tokens))  # (B, N, D)
        return torch.cat([ends[:, :1], image, ends[:, 1:]], 1)

    def _places(self, layout: medvl.Layout, device: torch.device) -> tuple[Tensor, Tensor]:
        """Position and segment ids (1, S)."""
        at = torch.arange(layout.prefix + layout.text, device=device)[None]
        in_text = at >= layout.prefix
        return at - layout.prefix * in_text, (in_text if self.preset == "paper" else ~in_text).long()

    def _check(self, positions: int, tokens: int) -> None:
        if tokens + 2 > positions:
            raise medvl.ConfigError(
                f"mmbt puts {tokens} image tokens between [CLS] and [SEP], but the text encoder has {positions} "
                f"positions. do: write image_tokens: {positions - 2} or less, shrink the view, or raise positions"
            )

"""Reports as language alone: what a model that sees the radiograph is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from medvl.config.schema import Slot
from medvl.models.base import Fusion, Model, TextEncoder, Writing
from medvl.models.masks.attention import scheme_mask
from medvl.models.masks.layout import Layout
from medvl.models.writing.hidden import HiddenWriting, Prefix, next_hidden_words

Mask = Callable[[Layout], Tensor]


class LanguageModel(Fusion):
    """`[CLS] [SEP] words [SEP]` through the text slot's transformer: a single stream (Moon 2022) without its image.

    It writes as it reads under `seq2seq`, whatever its mask: a word comes from a [MASK] in its place, which sees the
    words before it.

    Args:
        model: with a text encoder; gives the width and [SEP].
        mask: which positions see which; a mask scheme.
    """

    needs = ("text.ids",)
    requires: ClassVar[dict[str, tuple[str, ...]]] = {"text": ("joint",)}
    gives = ("joint.cls", "joint.text")
    capabilities = frozenset({"generate", "mask_scheme"})
    writes: ClassVar[Literal["hidden"]] = "hidden"
    sep: Tensor

    def __init__(
        self,
        model: Model,
        *,
        mask: Annotated[Mask, Slot("mask")] = "seq2seq",  # type: ignore[assignment]  # replaced by the function
    ) -> None:
        super().__init__()
        assert model.text is not None, "a fusion is built on its encoders"
        self.width = model.text.width
        self.mask = mask
        self.register_buffer("sep", torch.tensor([[model.text.tokenizer.sep]]), persistent=False)

    def forward(self, model: Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """From text.ids and text.mask (B, T) to joint.cls (B, D), by the tanh pooler, and joint.text (B, T, D)."""
        assert model.text is not None
        ids = features["text.ids"]
        layout = Layout(2, ids.shape[1] - 1, features["text.mask"].sum(1) - 1)
        words = model.text.embed(torch.cat([self._ends(ids), ids[:, 1:]], 1))  # (B, T + 1, D)
        places = (layout.key - layout.prefix).clamp(min=0)[None]
        segments = (layout.key >= layout.prefix).long()[None]
        allow = scheme_mask(self.mask, layout, training=self.training)
        tokens = model.text.joint(words, places, segments, allow)
        return {"joint.cls": model.text.pool(tokens), "joint.text": torch.cat([tokens[:, :1], tokens[:, 2:]], 1)}

    def begin(self, model: Model, features: dict[str, Tensor], most: int) -> HiddenWriting:
        """`[CLS] [SEP]`, as many as there are rows of text.ids (B, 1)."""
        assert model.text is not None
        return HiddenWriting(model.text, self._prefix(model.text, features["text.ids"]), most)

    def step(self, model: Model, state: Writing, words: Tensor | None) -> Tensor:
        """(B, D) at the [MASK] behind the words so far."""
        assert isinstance(state, HiddenWriting)
        return state.step(words)

    def next_words(self, model: Model, features: dict[str, Tensor]) -> Tensor:
        """(B, T - 1, D) in one pass, with a [MASK] for every word."""
        assert model.text is not None
        return next_hidden_words(model.text, self._prefix(model.text, features["text.ids"]), features["text.ids"])

    def _prefix(self, text: TextEncoder, ids: Tensor) -> Prefix:
        zeros = torch.zeros(1, 2, dtype=torch.int64, device=ids.device)
        return Prefix(text.embed(self._ends(ids)), zeros, zeros)

    def _ends(self, ids: Tensor) -> Tensor:
        return torch.cat([ids[:, :1], self.sep.expand(len(ids), -1)], 1)

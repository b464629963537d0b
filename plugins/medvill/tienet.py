"""TieNet, MedViLL's baseline of report generation: a recurrent net that looks at a part of the image for each word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

import medvl


class TieNet(medvl.Fusion):
    """An LSTM over word embeddings with attention to image tokens (Wang et al. 2018, TieNet, CVPR).

    Hidden and cell state begin as linear maps of the mean image token. For each word the hidden state before it weighs
    the image tokens (additive attention, Bahdanau 2015); their weighted mean and the word go into the LSTM, whose new
    hidden state, mapped to the words' width, is `joint.text`: at a column it says what stands in the next one.

    `joint.cls` is two vectors side by side. AETE, attention-encoded text embedding: `heads` weightings of the words, by
    two linear layers with tanh between them, each give a mean hidden state; the greatest of them, number by number.
    SW-GAP, saliency-weighted pooling: image tokens summed under the attention maps of all words, each map weighted by
    its word's greatest weight among the heads.

    Of the text slot the word embeddings and the tokenizer are used, and no layer.

    Args:
        model: with both encoders in place; gives widths.
        hidden: size of the LSTM.
        attention: width in which the hidden state is compared with image tokens.
        saliency: width of the layer before the heads.
        heads: weightings of the words.
        dropout: rate in [0, 1), on what the words' features are made of.
    """

    smoke: ClassVar[dict[str, int]] = {"hidden": 32, "attention": 32, "saliency": 32}
    needs = ("image.tokens", "text.ids")
    requires: ClassVar[dict[str, tuple[str, ...]]] = {"text": ("joint",)}
    gives = ("joint.cls", "joint.text")
    capabilities = frozenset({"generate"})
    writes = "next"

    def __init__(
        self,
        model: medvl.Model,
        *,
        hidden: int = 512,
        attention: int = 512,
        saliency: int = 512,
        heads: int = 5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        assert model.image is not None and model.text is not None, "a fusion is built on both encoders"
        self.width = model.text.width
        self.pixels = model.image.tokens_width
        self.first_hidden = nn.Linear(self.pixels, hidden)
        self.first_cell = nn.Linear(self.pixels, hidden)
        self.look = AdditiveAttention(self.pixels, hidden, attention)
        self.lstm = nn.LSTMCell(self.width + self.pixels, hidden)
        self.say = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, self.width))
        self.heads = nn.Sequential(nn.Linear(hidden, saliency), nn.Tanh(), nn.Linear(saliency, heads))

    def features(self) -> list[medvl.Feature]:
        """joint.cls is as wide as LSTM and image tokens together, joint.text as the words."""
        return [
            medvl.Feature("joint.cls", self.lstm.hidden_size + self.pixels),
            medvl.Feature("joint.text", self.width),
        ]

    def forward(self, model: medvl.Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """From image.tokens (B, N, C), text.ids and text.mask (B, T): joint.cls (B, hidden + C), joint.text (B, T, D).

        Word embeddings, what the image is compared by and the words' features are computed for all columns at once; the
        LSTM and its attention go column by column, for each needs the one before.
        """
        assert model.text is not None
        state = self.begin(model, features, features["text.ids"].shape[1])
        columns = [self._read(state, word) for word in model.text.embed(features["text.ids"]).unbind(1)]
        hidden = torch.stack([column[0] for column in columns], 1)  # (B, T, hidden)
        maps = torch.stack([column[1] for column in columns], 1)  # (B, T, N)
        return {"joint.cls": self._summary(hidden, maps, features), "joint.text": self.say(hidden)}

    def begin(self, model: medvl.Model, features: dict[str, Tensor], most: int) -> TieNetWriting:
        """See `medvl.Fusion.begin`."""
        tokens = features["image.tokens"]
        mean = tokens.mean(1)  # (B, C)
        hidden, cell = self.first_hidden(mean).tanh(), self.first_cell(mean).tanh()
        return TieNetWriting(features["text.ids"][:, 0], tokens, self.look.keys(tokens), hidden, cell)

    def step(self, model: medvl.Model, state: medvl.Writing, words: Tensor | None) -> Tensor:
        """See `medvl.Fusion.step`."""
        assert model.text is not None and isinstance(state, TieNetWriting)
        hidden, _ = self._read(state, model.text.embed(state.first if words is None else words))
        return self.say(hidden)

    def _read(self, state: TieNetWriting, word: Tensor) -> tuple[Tensor, Tensor]:
        """One word's embedding (B, D) goes in: the new hidden state, and where it looked (B, N)."""
        weights = self.look(state.keys, state.hidden)
        seen = (weights[:, None] @ state.tokens)[:, 0]  # (B, C)
        state.hidden, state.cell = self.lstm(torch.cat([word, seen], 1), (state.hidden, state.cell))
        return state.hidden, weights

    def _summary(self, hidden: Tensor, maps: Tensor, features: dict[str, Tensor]) -> Tensor:
        """AETE and SW-GAP, (B, hidden + C)."""
        scores = self.heads(hidden).masked_fill(~features["text.mask"][..., None], -torch.inf)  # (B, T, heads)
        weights = scores.softmax(1)
        texts = (weights.transpose(1, 2) @ hidden).amax(1)  # (B, hidden)
        salient = weights.amax(2)[:, None] @ maps  # (B, 1, N)
        return torch.cat([texts, (salient @ features["image.tokens"])[:, 0]], 1)


class AdditiveAttention(nn.Module):
    """How much a state looks at each image token: softmax of v tanh(W x + U h) (Bahdanau 2015).

    Args:
        tokens: width of image tokens.
        hidden: width of the state.
        width: in which they are compared.
    """

    def __init__(self, tokens: int, hidden: int, width: int) -> None:
        super().__init__()
        self.keys = nn.Linear(tokens, width)
        self.query = nn.Linear(hidden, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, keys: Tensor, hidden: Tensor) -> Tensor:
        """keys (B, N, A), hidden (B, H) -> weights (B, N)."""
        return self.score((keys + self.query(hidden)[:, None]).tanh())[..., 0].softmax(1)


@dataclass
class TieNetWriting:
    """Reports on their way.

    Attributes:
        first: (B,) int64, [CLS], which goes in before the first word.
        tokens: (B, N, C) of the images; keys: (B, N, A), by which they are compared.
        hidden, cell: (B, H), of the LSTM.
    """

    first: Tensor
    tokens: Tensor
    keys: Tensor
    hidden: Tensor
    cell: Tensor

    def select(self, rows: Tensor) -> None:
        """See `medvl.Writing.select`."""
        for name, value in vars(self).items():
            setattr(self, name, value[rows])

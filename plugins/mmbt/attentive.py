"""Attentive: image tokens and words look at each other once, and what they find is pooled (van Sonsbeek 2020)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

import medvl

_DROPOUT = {"paper": 0.6, "released": 0.5}


class Attentive(medvl.Fusion):
    """Two attention layers between image tokens and words, one each way, and a layer over what both give.

    `paper` is van Sonsbeek & Worring 2020 as their code reads: both are brought to one width by a linear layer, ReLU
    and dropout; each cell looks at the words and each word at the cells; what was found is added, and a layer follows;
    the sums over cells and over words, through a layer each, stand side by side.

    `released` is the version behind Jacenkow 2022 and Dalla Serra 2022 (jacenkow/mmbt): the pooled text is one token;
    what was found is added, with ReLU behind; then the maximum over cells and text, and two layers. An encoder of
    another width than `width` gets a linear layer.

    The authors run it on a ResNet-50 and on two bidirectional GRUs over BioWordVec (`gru`); any encoders fit.

    Args:
        model: with both encoders in place; gives widths.
        preset: as above.
        width: in which both meet.
        hidden: D of `joint.cls`, the last layer in front of the classifier.
        dropout: rate in [0, 1) behind layers; the preset's where None, 0.6 and 0.5.
    """

    smoke: ClassVar[dict[str, int]] = {"width": 32, "hidden": 32}
    needs: tuple[str, ...] = ("image.tokens", "text.tokens", "text.ids")

    def __init__(
        self,
        model: medvl.Model,
        *,
        preset: Literal["paper", "released"] = "paper",
        width: int = 2048,
        hidden: int = 512,
        dropout: float | None = None,
    ) -> None:
        super().__init__()
        self.words = preset == "paper"  # in `released` the text is one vector
        self.image_in: nn.Module
        self.text_in: nn.Module
        self.image_out: nn.Module
        self.text_out: nn.Module
        rate = _DROPOUT[preset] if dropout is None else dropout
        self.width = hidden
        if not self.words:
            self.needs = ("image.tokens", "text.pooled")
        image, text = (model.width(name) for name in self.needs[:2])
        self.look, self.read = Attention(width), Attention(width)
        if self.words:
            self.image_in = _layer(image, width, rate)
            self.text_in = nn.Sequential(nn.Dropout(rate), _layer(text, width, rate))
            self.image_out, self.text_out = _layer(width, width, rate), _layer(width, width, rate)
            self.image_sum, self.text_sum = _layer(width, width, rate), _layer(width, width, rate)
            self.mix = _layer(2 * width, hidden, rate)
        else:
            self.image_in, self.text_in = _to(image, width), _to(text, width)
            self.image_out, self.text_out = nn.ReLU(), nn.ReLU()
            self.mix = nn.Sequential(_layer(width, hidden, rate), _layer(hidden, hidden, rate))

    def forward(self, model: medvl.Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"joint.cls": (B, hidden)} from image.tokens (B, N, C) and text.tokens (B, T, D), or text.pooled (B, D)."""
        image = self.image_in(features["image.tokens"])  # (B, N, width)
        real = features["text.mask"] if self.words else None
        text = self.text_in(
            features["text.tokens"] if self.words else features["text.pooled"][:, None]
        )  # (B, T, width)
        seen, read = self.look(image, text, real), self.read(text, image)
        image, text = self.image_out(image + seen), self.text_out(text + read)
        if real is None:
            return {"joint.cls": self.mix(torch.cat([image, text], 1).amax(1))}
        words = (text * real[..., None]).sum(1)
        return {"joint.cls": self.mix(torch.cat([self.text_sum(words), self.image_sum(image.sum(1))], 1))}


class Attention(nn.Module):
    """What each query finds among keys: softmax(q W k) weighs them, and tanh(U [their mean; q]) is the answer.

    Luong's `general` attention (2015, section 3.1).

    Args:
        width: of queries, keys and answers.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ask = nn.Linear(width, width, bias=False)
        self.answer = nn.Linear(2 * width, width, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, real: Tensor | None = None) -> Tensor:
        """queries (B, N, D), keys (B, M, D), real (B, M) bool, False where nobody looks -> (B, N, D)."""
        scores = self.ask(queries) @ keys.transpose(1, 2)  # (B, N, M)
        if real is not None:
            scores = scores.masked_fill(~real[:, None], -torch.inf)
        return self.answer(torch.cat([scores.softmax(2) @ keys, queries], 2)).tanh()


def _layer(before: int, after: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout))


def _to(before: int, after: int) -> nn.Module:
    return nn.Identity() if before == after else nn.Linear(before, after)

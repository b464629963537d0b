"""Masked language modelling: hidden words are restored from the words around them and, with a fusion, the image."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from medvl.data.word_masking import mask_tokens
from medvl.errors import ConfigError
from medvl.models.base import Batch, Model
from medvl.objectives.corrupting import CorruptingObjective
from medvl.objectives.vocabulary_head import VocabularyHead, most_hidden

Words = Literal["joint.text", "text.tokens"]


class MaskedLanguageModelling(CorruptingObjective):
    """Restores hidden tokens: of those chosen 80 % become [MASK], 10 % others, 10 % stay (Devlin 2019, section 3.1).

    The vocabulary head is computed where a token was hidden and nowhere else.

    Args:
        model: gives a vector for every column of the text.
        probability: that a token is chosen; in (0, 1].
        at_least_one: where none of a text is chosen, its first word becomes [MASK] (Moon 2022's code does this).
        feature: what is read at the text's columns; by default `joint.text` where the model has a fusion that gives it
            (words and image), else `text.tokens` (words alone).

    Raises:
        ConfigError: a probability out of its range; the model gives no such feature, or its width is not that of the
            word embeddings.
    """

    special: Tensor

    def __init__(
        self, model: Model, *, probability: float = 0.15, at_least_one: bool = False, feature: Words | None = None
    ) -> None:
        super().__init__()
        if not 0 < probability <= 1:
            raise ConfigError(f"probability must be above 0 and at most 1, not {probability}")
        self.probability = probability
        self.at_least_one = at_least_one
        self.feature = _feature(model, feature)
        self.needs = (self.feature,)
        assert model.text is not None, f"{self.feature} needs a text encoder"
        tokenizer, width = model.text.tokenizer, model.width(self.feature)
        words, own_width = model.text.table.shape
        if width != own_width:
            raise ConfigError(
                f"mlm reads {self.feature} of width {width}, and the word embeddings that its head shares have "
                f"{own_width}. do: take a fusion of that width"
            )
        self.hide, self.vocabulary = tokenizer.mask, tokenizer.size
        self.head = VocabularyHead(width, words)
        special = torch.zeros(words, dtype=torch.bool)
        special[list(tokenizer.marks)] = True
        self.register_buffer("special", special, persistent=False)

    def corrupt(self, batch: Batch) -> Batch:
        """Tokens of `text.ids` hidden; `text.original` and `text.hidden` (B, T) say which they were."""
        ids, generator = batch["text.ids"], self.generator(batch["text.ids"].device)
        draws = torch.rand(ids.shape, generator=generator, device=ids.device)
        others = torch.randint(self.vocabulary, ids.shape, generator=generator, device=ids.device)
        found = mask_tokens(
            ids, batch["text.mask"], draws, others, special=self.special, hide=self.hide,
            probability=self.probability, at_least_one=self.at_least_one,
        )  # fmt: skip
        return batch | {"text.ids": found.ids, "text.original": ids, "text.hidden": found.hidden}

    def judge(self, model: Model, features: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross entropy, a mean over the hidden tokens of the batch; 0 where there are none."""
        assert model.text is not None
        original, hidden = batch["text.original"], batch["text.hidden"]
        most = most_hidden(self.probability, *original.shape)
        return {"mlm": self.head.loss(features[self.feature], model.text.table, original, hidden, most)}

    def exports(self, model: Model) -> dict[str, nn.Module]:
        """The encoders, the fusion, and the vocabulary head."""
        return super().exports(model) | {"vocabulary_head": self.head}


def _feature(model: Model, wanted: Words | None) -> str:
    given = [name for name in ("joint.text", "text.tokens") if name in model.features()]
    if wanted is None and given:
        return given[0]
    if wanted in given:
        return wanted
    raise ConfigError(
        f"objective 'mlm' restores words from {wanted or 'joint.text or text.tokens'}, and this model gives "
        f"{', '.join(model.features()) or 'nothing'}. do: fill the text slot, or take a fusion over words"
    )

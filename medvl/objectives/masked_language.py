"""Masked language modelling: hidden words are restored from the words around them and, with a fusion, the image."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from medvl.contract import slot_of
from medvl.data.word_masking import mask_tokens
from medvl.errors import ConfigError
from medvl.models.base import Batch, Model
from medvl.models.masks.leaks import first_leak
from medvl.models.masks.schemes import bidirectional
from medvl.objectives.corrupting import CorruptingObjective
from medvl.objectives.vocabulary_head import most_chosen, vocabulary_head

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

    predicts: ClassVar[tuple[str, ...]] = ("log_likelihood", "tokens")
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
        tokenizer = model.text.tokenizer
        self.hide, self.vocabulary = tokenizer.mask, tokenizer.size
        self.head = vocabulary_head(model, self.feature, "mlm")
        special = torch.zeros(len(model.text.table), dtype=torch.bool)
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
        return {"mlm": self.head.cross_entropy(**self._asked(model, features, batch))}

    def predict(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Of each text's hidden tokens `log_likelihood` (B,), a sum of natural logarithms, and `tokens` (B,), how many.

        Which are hidden is drawn anew from a fixed seed for every batch: a text's own figures depend on its batch.
        """
        batch = self.corrupt(batch)
        losses, at, counts = self.head.word_losses(**self._asked(model, model(batch, self.needs), batch))
        texts = at // batch["text.ids"].shape[1]  # (M,)
        nothing = losses.new_zeros(len(batch["text.ids"]))
        return {
            "log_likelihood": nothing.index_add(0, texts, -losses),
            "tokens": nothing.index_add(0, texts, counts),
        }

    def cautions(self, model: Model) -> dict[str, str]:
        """Where words come to know later ones, that the likelihood is no probability of a text."""
        fusion = model.fusion if slot_of(self.feature) == "joint" else None
        if fusion is not None and fusion.writes == "next":
            return {}
        layer = first_leak(getattr(fusion, "mask", bidirectional))
        if layer is None:
            return {}
        return {
            "log_likelihood": f"under this attention mask words come to know later words, from layer {layer} on: a "
            "perplexity under it is no probability of a text given the words before. do: mask: seq2seq"
        }

    def _asked(self, model: Model, features: dict[str, Tensor], batch: Batch) -> dict[str, Any]:
        """What the head is asked of a batch that `corrupt` gave: its hidden tokens."""
        assert model.text is not None
        words = batch["text.original"]  # (B, T)
        return {
            "hidden": features[self.feature], "table": model.text.table, "words": words,
            "counts": batch["text.hidden"].float(), "most": most_chosen(self.probability, *words.shape),
        }  # fmt: skip

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

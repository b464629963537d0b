"""Report generation: fine-tuning of a fusion that writes, the reports it writes, and how likely it finds given ones."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medvl.data.report_masking import cut_ends
from medvl.errors import ConfigError
from medvl.models.base import Batch, Fusion, Model, TextEncoder
from medvl.models.masks.schemes import seq2seq
from medvl.models.writing.search import FusionWriter, Search
from medvl.objectives.base import Objective
from medvl.objectives.report_hiding import ReportHiding
from medvl.objectives.vocabulary_head import vocabulary_head

Masking = Literal["paper", "released", "every"]
FOLLOWED = ("log_likelihood", "tokens", "teacher_forced")
CHUNK = 4096  # words whose scores of the whole vocabulary are there at a time


class ReportGeneration(Objective):
    """Learns to write a radiograph's report word by word, each from the image and the words before it (Moon 2022).

    The fusion must write (capability `generate`). One that has a mask scheme gets `seq2seq` for this stage, whatever
    the experiment says: under any other, words would be learned from words that are not there yet when writing.

    A fusion that reads a word from a [MASK] in its place learns under one of three maskings:

    - `paper`: of the words and the last [SEP] `probability` are chosen; 80 % of those become [MASK], 10 % others,
      10 % stay, as in pre-training.
    - `released`: as the authors' code fine-tunes. At most `most_hidden` are hidden, always by [MASK], the last [SEP]
      for half of the reports; reports longer than `longest` lose tokens from random ends.
    - `every`: every word once, in one pass, from a [MASK] of its own behind the words as they are. The loss is the
      log likelihood itself, and costs a sequence that has the text twice.

    A fusion that reads the next word from the one before learns from every word anyway. A case without a text counts
    nowhere: where one in ten had none, a model would learn to write nothing.

    What evaluators can ask for: `report` (B, most) token ids as they were written, without [CLS] and [SEP], padding
    behind; `log_likelihood` (B,) of the given report, the sum of natural log probabilities of its tokens, the last
    [SEP] included, each after the image and the words before it; `tokens` (B,) their number; and `teacher_forced`
    (B, L) token ids, at each place the likeliest word after the words of the given report. That is what the
    authors' script calls generated: it has read the report that it is compared with. (That script also numbers
    positions from 0 anew for each word; here they are the true ones.)

    Args:
        model: with a fusion that writes.
        masking: as above; None is `paper`, where words are hidden.
        probability: share of hidden words, in (0, 1].
        most_hidden: of a report, for `released`.
        longest: tokens of a report that are read, without [CLS] and [SEP]; None is all that the text encoder's
            tokenizer leaves. In training `released` cuts at random ends, all else at the end.
        most: tokens of the longest report that is written; None is as many as are read.
        search: `greedy` takes the likeliest word, `beam` follows several beginnings, `nucleus` draws.
        width: beginnings that `beam` follows.
        length_penalty: the power of a report's length by which `beam` divides its log probability.
        top_p: `nucleus` draws among the likeliest words that together have this probability; in (0, 1].
        temperature: scores are divided by it before `nucleus` draws.
        seed: of the draws; a case gets the same ones in any batch.

    Raises:
        ConfigError: a fusion that does not write, or values out of their ranges.
    """

    requires: ClassVar[dict[str, tuple[str, ...]]] = {"fusion": ("generate",)}
    predicts: ClassVar[tuple[str, ...]] = ("report", *FOLLOWED)
    dear: ClassVar[tuple[str, ...]] = ("report",)
    smoke: ClassVar[dict[str, int]] = {"longest": 30, "most": 8, "width": 2}
    never: Tensor
    hiding: ReportHiding | None

    def __init__(
        self,
        model: Model,
        *,
        masking: Masking | None = None,
        probability: float = 0.15,
        most_hidden: int = 3,
        longest: int | None = None,
        most: int | None = None,
        search: Literal["greedy", "beam", "nucleus"] = "greedy",
        width: int = 3,
        length_penalty: float = 1.0,
        top_p: float = 0.9,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        fusion = _writing(model, masking)
        self.needs = ("joint.text",)
        self.head = vocabulary_head(model, "joint.text", "report_generation")
        assert model.text is not None
        tokenizer = model.text.tokenizer
        self.search = Search(search, width, length_penalty, top_p, temperature, seed)
        self.longest, self.most = _lengths(model.text, longest, most)
        if fusion.writes == "next" or masking == "every":
            self.hiding = None
        else:
            self.hiding = ReportHiding(model.text, masking or "paper", probability, most_hidden)
        self.cuts_ends = masking == "released"
        self.pad, self.sep = tokenizer.pad, tokenizer.sep
        never = torch.arange(len(model.text.table)) >= tokenizer.size
        never[[tokenizer.pad, tokenizer.cls, tokenizer.mask]] = True
        self.register_buffer("never", never, persistent=False)

    def forward(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Cross entropy, a mean over the words of the batch that count."""
        batch = self._shortened(batch)
        ids, mask = batch["text.ids"], batch["text.mask"]
        if self.hiding is None:
            hidden = _fusion(model).next_words(model, model(batch, _fusion(model).needs))
            target, counts = ids[:, 1:], mask[:, 1:].float()
            most = target.numel()
        else:
            read, counts = self.hiding(ids, mask, self.generator(ids.device))
            hidden = model(batch | {"text.ids": read}, self.needs)["joint.text"]
            target, most = ids, self.hiding.most(*ids.shape)
        counts = counts * _has_words(mask)
        return {"generation": self.head.cross_entropy(hidden, _table(model), target, counts, most=most)}

    def predict(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Those of `predicts` that are wanted; the image is encoded once for all of them."""
        batch = self._shortened(batch)
        features = model(batch, _fusion(model).needs)
        found = {}
        if self.wants("report"):
            found["report"] = self._write(model, features, batch.get("rows"))
        if self.wants(*FOLLOWED):
            found |= self._follow(model, features)
        return {name: value for name, value in found.items() if self.wants(name)}

    def exports(self, model: Model) -> dict[str, nn.Module]:
        """The encoders, the fusion, and the vocabulary head."""
        return super().exports(model) | {"vocabulary_head": self.head}

    def _write(self, model: Model, features: dict[str, Tensor], rows: Tensor | None) -> Tensor:
        """(B, most) int64."""
        begin = features["text.ids"][:, :1]
        state = _fusion(model).begin(model, features | {"text.ids": begin}, self.most)
        blank = torch.full((len(begin), self.most), self.pad, device=begin.device)
        cases = np.arange(len(begin)) if rows is None else rows.cpu().numpy()
        return self.search.write(FusionWriter(model, state, partial(self._scores, model)), blank, self.sep, cases)

    def _scores(self, model: Model, hidden: Tensor) -> Tensor:
        """(B, D) -> (B, V), minus infinity for what is no word."""
        return self.head(hidden, _table(model)).float().masked_fill(self.never, -torch.inf)

    def _follow(self, model: Model, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """How likely the given reports are, and what is likeliest after their words."""
        target, mask = features["text.ids"][:, 1:], features["text.mask"]  # (B, T - 1), (B, T)
        real = mask[:, 1:] & _has_words(mask)
        hidden = _fusion(model).next_words(model, features)[real]  # (M, D)
        likelihood, likeliest = target.new_zeros(target.shape, dtype=torch.float32), torch.full_like(target, self.pad)
        judged = [
            self._judge(model, *part) for part in zip(hidden.split(CHUNK), target[real].split(CHUNK), strict=True)
        ]
        likelihood[real], likeliest[real] = (torch.cat(parts) for parts in zip(*judged, strict=True))
        over = (likeliest == self.sep).cumsum(1) > 0
        written = likeliest.masked_fill(over, self.pad)
        return {
            "log_likelihood": likelihood.sum(1),
            "tokens": real.sum(1),
            "teacher_forced": F.pad(written, (0, self.longest + 1 - written.shape[1]), value=self.pad),
        }

    def _judge(self, model: Model, hidden: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """(M, D) and (M,) -> log probabilities of the targets, and the likeliest words, (M,) each."""
        scores = self.head(hidden, _table(model)).float()  # (M, V)
        return -F.cross_entropy(scores, target, reduction="none"), scores.masked_fill(self.never, -torch.inf).argmax(1)

    def _shortened(self, batch: Batch) -> Batch:
        ids, extra = batch["text.ids"], batch["text.ids"].shape[1] - 2 - self.longest
        if extra <= 0:
            return batch
        draws = None
        if self.training and self.cuts_ends:
            draws = torch.rand(len(ids), extra, device=ids.device)
        ids, mask = cut_ends(ids, batch["text.mask"], self.longest, draws)
        return batch | {"text.ids": ids, "text.mask": mask}


def _has_words(mask: Tensor) -> Tensor:
    """(B, T) -> (B, 1) bool. `[CLS] [SEP]` is no report: learned from, it would teach to write nothing."""
    return mask.sum(1, keepdim=True) > 2


def _fusion(model: Model) -> Fusion:
    assert model.fusion is not None
    return model.fusion


def _table(model: Model) -> Tensor:
    assert model.text is not None
    return model.text.table


def _writing(model: Model, masking: Masking | None) -> Fusion:
    """The model's fusion, under `seq2seq` where it has a mask."""
    fusion = model.fusion
    if fusion is None or "generate" not in fusion.capabilities:
        raise ConfigError(
            "objective 'report_generation' requires 'generate' of the fusion (it writes text, word by word), which "
            f"{'this model has none of' if fusion is None else type(fusion).__name__ + ' does not have'}. "
            "`medvl fits fusion FILE` lists what would fit"
        )
    if fusion.writes == "next" and masking not in (None, "every"):
        raise ConfigError(
            f"masking: {masking} hides words, and {type(fusion).__name__} reads the next word from the one before. "
            "do: leave it out"
        )
    if "mask_scheme" in fusion.capabilities:
        fusion.mask = seq2seq
    return fusion


def _lengths(text: TextEncoder, longest: int | None, most: int | None) -> tuple[int, int]:
    """Tokens of the longest report that is read, and of the longest that is written."""
    left = text.tokenizer.max_length - 2
    longest = left if longest is None else longest
    most = longest if most is None else most
    if not 1 <= longest <= left:
        raise ConfigError(
            f"longest: {longest} is not between 1 and the {left} tokens that the text encoder leaves of a report "
            "between [CLS] and [SEP]. do: raise its max_length, or leave longest out"
        )
    if not 1 <= most < text.positions:
        raise ConfigError(
            f"most: {most} is not between 1 and {text.positions - 1}: the text encoder has {text.positions} positions"
        )
    return longest, most

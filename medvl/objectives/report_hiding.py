"""Which words of a report are hidden when a model is fine-tuned to write it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from medvl.data.report_masking import hide_few
from medvl.data.word_masking import mask_tokens
from medvl.errors import ConfigError
from medvl.models.base import TextEncoder
from medvl.objectives.vocabulary_head import most_chosen


class ReportHiding(nn.Module):
    """Hides words and the last [SEP] of reports, by the rule of the paper or of its released code (Moon 2022).

    Args:
        text: gives the special tokens and the vocabulary.
        rule: `paper`: a share of the tokens, at least one, 80 % [MASK], 10 % others, 10 % as they are; `released`: few
            of them, see `medvl.data.report_masking.hide_few`.
        probability: the share, in (0, 1].
        most_hidden: of a report, for `released`.

    Raises:
        ConfigError: a value out of its range.
    """

    special: Tensor

    def __init__(
        self, text: TextEncoder, rule: Literal["paper", "released"], probability: float, most_hidden: int
    ) -> None:
        super().__init__()
        if not 0 < probability <= 1 or most_hidden < 1:
            raise ConfigError(
                f"probability must be above 0 and at most 1, and most_hidden at least 1; found {probability:g} and "
                f"{most_hidden}"
            )
        self.rule, self.probability, self.most_hidden = rule, probability, most_hidden
        self.mask, self.vocabulary = text.tokenizer.mask, text.tokenizer.size
        special = torch.zeros(len(text.table), dtype=torch.bool)
        special[[text.tokenizer.pad, text.tokenizer.cls]] = True  # [SEP] is none here: ending is learned too
        self.register_buffer("special", special, persistent=False)

    def forward(self, ids: Tensor, mask: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """ids, mask (B, T) -> ids (B, T) as the model reads them, and how often each counts in the loss, (B, T)."""
        draws = torch.rand(ids.shape, generator=generator, device=ids.device)
        if self.rule == "released":
            ends = torch.rand(len(ids), generator=generator, device=ids.device)
            return hide_few(ids, mask, draws, ends, hide=self.mask, probability=self.probability, most=self.most_hidden)
        others = torch.randint(self.vocabulary, ids.shape, generator=generator, device=ids.device)
        found = mask_tokens(
            ids, mask, draws, others, special=self.special, hide=self.mask, probability=self.probability,
            at_least_one=True,
        )  # fmt: skip
        return found.ids, found.hidden.float()

    def most(self, reports: int, columns: int) -> int:
        """More tokens than are ever hidden in a batch of this size."""
        if self.rule == "released":
            return reports * (self.most_hidden + 1)
        return most_chosen(self.probability, reports, columns)

"""A batch that no data was read for: to see whether shapes meet, or how long a step takes."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from medvl.contract import DataSpec
from medvl.data.masks import MASKED
from medvl.data.view import View
from medvl.models.base import Batch


def made_up_batch(
    views: Iterable[tuple[str, View]], *, data: DataSpec, cases: int, tokens: int, device: torch.device | str
) -> Batch:
    """Random images, words and labels, with the fields that a feeder gives.

    Args:
        views: by name, those that the objective reads.
        data: says how many labels there are, 0 or 1 each, answers and masks.
        cases: B.
        tokens: T of `text.ids` (B, T), none of them padding.
        device: `meta` for shapes alone.
    """
    sides = {field: side for name, view in views for field, side in view.sizes(name).items()}
    batch: Batch = {field: torch.rand(cases, 1, side, side, device=device) for field, side in sides.items()}
    batch["text.ids"] = torch.randint(5, 100, (cases, tokens), device=device)  # below are special tokens
    batch["text.mask"] = torch.ones(cases, tokens, dtype=torch.bool, device=device)
    batch["labels"] = torch.randint(2, (cases, len(data.labels)), device=device).float()
    if data.answers:
        batch["answers"] = torch.randint(len(data.answers), (cases,), device=device)
    if MASKED in sides:
        side = sides[MASKED]
        batch["mask"] = torch.rand(cases, len(data.masks), side, side, device=device) < 0.5
    batch["rows"] = torch.arange(cases, device=device)
    return batch

"""One of several mask schemes at random, for each sample or for each batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from medvl.config.schema import Slot
from medvl.errors import ConfigError, nearest
from medvl.models.masks.layout import Layout

Scheme = Callable[[Layout], Tensor]


class Mixed:
    """Chooses among schemes with given probabilities (Moon 2022, "Bi&S2S"); in evaluation, the most probable one.

    The numbers come with the layout, so this too is a pure function of it.

    Args:
        schemes: mask schemes by any name.
        probabilities: of each, by that name; they add up to 1.
        per: draw for each `sample`, as the released code does, or once for the `batch`, as the paper says.

    Raises:
        ConfigError: fewer than two schemes, or probabilities that do not belong to them or do not add up to 1.
    """

    draws: ClassVar[bool] = True

    def __init__(
        self,
        *,
        schemes: Annotated[dict[str, Scheme], Slot("mask")],
        probabilities: dict[str, float],
        per: Literal["sample", "batch"] = "sample",
    ) -> None:
        _check(schemes, probabilities)
        self.schemes = list(schemes.values())
        self.probabilities = [probabilities[name] for name in schemes]
        self.per = per

    def __call__(self, layout: Layout) -> Tensor:
        """(B, S, S) or what broadcasts to it."""
        draw = self._draw(layout)
        if draw is None:
            return self.schemes[self.probabilities.index(max(self.probabilities))](layout)
        allow = self.schemes[-1](layout)
        below = list(accumulate(self.probabilities))
        for scheme, upper in zip(self.schemes[-2::-1], below[-2::-1], strict=True):
            allow = torch.where(draw < upper, scheme(layout), allow)
        return allow

    def _draw(self, layout: Layout) -> Tensor | None:
        """The number that decides."""
        if self.per == "batch" and layout.draws is not None:
            return layout.draws[0]
        return layout.draw


def _check(schemes: dict[str, Scheme], probabilities: dict[str, float]) -> None:
    problems = []
    if len(schemes) < 2:
        problems.append(
            "mask 'mixed' needs at least two schemes, e.g. {seq2seq: seq2seq, bidirectional: bidirectional}"
        )
    for name in probabilities:
        if name not in schemes:
            problems.append(f"probabilities: no scheme is called '{name}'.{nearest(name, schemes)}")
    missing = [name for name in schemes if name not in probabilities]
    if missing:
        problems.append(f"probabilities: that of {', '.join(missing)} is missing")
    total = sum(probabilities.values())
    if min(probabilities.values(), default=0) < 0 or not math.isclose(total, 1, abs_tol=1e-6):
        problems.append(f"probabilities must be at least 0 and add up to 1; these add up to {total:g}")
    if problems:
        raise ConfigError(problems)

"""Where the paper's text and its authors' code differ, each as a switch, and both as presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Preset = Literal["paper", "released"]
Score = Literal["hidden", "all"]
Fuse = Literal["visible", "all"]
Positions = Literal["sincos", "sincos_quarter"]


@dataclass(frozen=True)
class Rules:
    """See the parameters of `MRM`, which have the same names."""

    normalise_targets: bool
    channels: int
    positions: Positions
    whole_words: bool
    score: Score
    fuse: Fuse
    tied: bool

    def but(self, **changes: bool | int | str | None) -> Rules:
        """With those changes that are not None."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]


PRESETS: dict[Preset, Rules] = {
    "paper": Rules(
        normalise_targets=False, channels=1, positions="sincos", whole_words=False, score="hidden", fuse="visible",
        tied=True,
    ),
    "released": Rules(
        normalise_targets=True, channels=3, positions="sincos_quarter", whole_words=True, score="all", fuse="all",
        tied=False,
    ),
}  # fmt: skip
EXPONENTS: dict[Positions, float] = {"sincos": 1.0, "sincos_quarter": 0.25}

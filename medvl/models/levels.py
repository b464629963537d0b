"""What timm knows of the inside of its models: maps of several depths, the last cells, blocks from input to output."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from timm.models import group_parameters
from torch import nn

from medvl.errors import ConfigError
from medvl.models.cells import Cells

LEVELS = ("level1", "level2", "level3", "level4")


@dataclass(frozen=True)
class Level:
    """An intermediate map: its place among timm's, its channels, its (height, width)."""

    index: int
    width: int
    grid: tuple[int, int]


def levels_of(net: Any, size: int, chosen: tuple[int, ...] | None = None) -> tuple[Level, ...]:
    """The maps that decoders read, the deepest last; none where timm cannot give them.

    Args:
        net: a timm model.
        size: side of its input in pixels.
        chosen: indices of `forward_intermediates`, rising, one to four; None for the last four stages of a pyramid,
            and for four evenly spaced blocks where all maps have one size.

    Raises:
        ConfigError: there are no such maps.
    """
    known: list[dict[str, Any]] = list(getattr(net, "feature_info", None) or [])
    if not known or not hasattr(net, "forward_intermediates"):
        if chosen is None:
            return ()
        raise ConfigError(f"levels {list(chosen)}: timm gives no intermediate maps of this model. do: leave them out")
    if chosen is None:
        chosen = _usual([info["reduction"] for info in known])
    rising = all(one < other for one, other in pairwise(chosen))
    if not 1 <= len(chosen) <= len(LEVELS) or not rising or not 0 <= chosen[0] <= chosen[-1] < len(known):
        raise ConfigError(
            f"levels {list(chosen)}: one to {len(LEVELS)} rising numbers from 0 to {len(known) - 1} are needed, for "
            f"this model has {len(known)} maps. do: e.g. {list(_usual([info['reduction'] for info in known]))}"
        )
    return tuple(
        Level(index, known[index]["num_chs"], (math.ceil(size / known[index]["reduction"]),) * 2) for index in chosen
    )


def _usual(reductions: list[int]) -> tuple[int, ...]:
    """The last four of a pyramid; blocks at every fourth of the depth of what keeps its size (3, 6, 9, 12 of 12)."""
    count = len(reductions)
    if len(set(reductions)) > 1 or count <= len(LEVELS):
        return tuple(range(max(0, count - len(LEVELS)), count))
    return tuple(round(count * part / len(LEVELS)) - 1 for part in range(1, len(LEVELS) + 1))


def channels_last(net: nn.Module) -> bool:
    """Whether a timm model's maps are (B, H, W, D)."""
    return str(getattr(net, "output_fmt", "NCHW")).endswith("NHWC")


def cells_of(net: Any, grid: tuple[int, int] | None) -> Cells | None:
    """Where a timm model's image last lies in cells that all of its output depends on.

    Of a transformer of one size that is in front of the last block's attention: behind it a class token has read what
    it will. Of all others it is the last map that timm names; None where that
    is the output of no module, as in CoaT, whose last blocks a list holds.

    Args:
        net: a timm model.
        grid: (height, width) of its tokens.
    """
    known = list(getattr(net, "feature_info", None) or [])
    last = known[-1]["module"] if known else ""
    if last.startswith("blocks.") and hasattr(net.get_submodule(last), "norm1") and grid is not None:
        return Cells(net.get_submodule(last).norm1, grid)
    if not last or isinstance(net.get_submodule(last), nn.ModuleList):
        return None
    return Cells(net.get_submodule(last), channels_last=channels_last(net))


def blocks_of(net: Any) -> list[list[nn.Parameter]]:
    """A timm model's parameters from the stem to the last block, as timm groups them for layer-wise rates."""
    named = dict(net.named_parameters())
    groups = group_parameters(net, net.group_matcher(coarse=False))
    return [[named[name] for name in groups[place]] for place in sorted(groups)]

"""A mask scheme drawn in the terminal: which position of a short joint sequence sees which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

IMAGE = ("[CLS]", "image", "image", "image", "[SEP]")
TEXT = ("a", "small", "left", "effusion", "[SEP]", "[PAD]", "[PAD]")
REAL = 5  # of the text's positions
SEES, BLIND = "■", "·"


def draw(scheme: Callable[..., Any]) -> list[str]:
    """Lines of the picture: a row for each position that looks, a column for each that is looked at.

    Args:
        scheme: as a fusion calls it, with a layout alone.
    """
    import torch

    from medvl.models.masks.attention import SchemeMask
    from medvl.models.masks.layout import Layout

    text = ("[CLS]", *TEXT) if getattr(scheme, "text_cls", False) else TEXT
    names = (*IMAGE, *text)
    layout = Layout(len(IMAGE), len(text), torch.tensor([REAL + len(text) - len(TEXT)]))
    allow = SchemeMask(scheme, layout).dense()[0].expand(len(names), -1)
    wide = max(map(len, names))
    lines = [f"  {'':{wide}}  {_columns(names, row)}" for row in range(wide)]
    for name, row in zip(names, allow.tolist(), strict=True):
        lines.append(f"  {name:>{wide}}  {' '.join(SEES if sees else BLIND for sees in row)}")
    return [line.rstrip() for line in lines] + [
        f"  a row looks, a column is looked at: {SEES} may attend, {BLIND} may not"
    ]


def _columns(names: tuple[str, ...], row: int) -> str:
    """A line of the heads of the columns, which are written downwards and end on the first row of the picture."""
    wide = max(map(len, names))
    return " ".join(name.rjust(wide)[row] for name in names)

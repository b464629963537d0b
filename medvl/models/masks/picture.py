"""A mask scheme drawn in the terminal: which position of a short joint sequence sees which."""

from __future__ import annotations

import torch

from medvl.models.masks.attention import Scheme, SchemeMask
from medvl.models.masks.layout import Layout
from medvl.models.masks.leaks import first_leak

IMAGE = ("[CLS]", "image", "image", "image", "[SEP]")
TEXT = ("a", "small", "left", "effusion", "[SEP]", "[PAD]", "[PAD]")
REAL = 5  # of the text's positions
SEES, BLIND = "■", "·"


def draw(scheme: Scheme) -> list[str]:
    """Lines of the picture: a row for each position that looks, a column for each that is looked at.

    Args:
        scheme: as a fusion calls it, with a layout alone.
    """
    text = ("[CLS]", *TEXT) if getattr(scheme, "text_cls", False) else TEXT
    names = (*IMAGE, *text)
    layout = Layout(len(IMAGE), len(text), torch.tensor([REAL + len(text) - len(TEXT)]))
    allow = SchemeMask(scheme, layout).dense()[0].expand(len(names), -1)
    wide = max(map(len, names))
    lines = [f"  {'':{wide}}  {_columns(names, row)}" for row in range(wide)]
    for name, row in zip(names, allow.tolist(), strict=True):
        lines.append(f"  {name:>{wide}}  {' '.join(SEES if sees else BLIND for sees in row)}")
    layer = first_leak(scheme)
    leak = "at any depth" if layer is None else f"before layer {layer}"
    return [line.rstrip() for line in lines] + [
        f"  a row looks, a column is looked at: {SEES} may attend, {BLIND} may not; no word knows a later one {leak}"
    ]


def _columns(names: tuple[str, ...], row: int) -> str:
    """A line of the heads of the columns, which are written downwards and end on the first row of the picture."""
    wide = max(map(len, names))
    return " ".join(name.rjust(wide)[row] for name in names)

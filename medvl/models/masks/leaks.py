"""Whether words come to know later words under a mask scheme, directly or through what stands between them."""

from __future__ import annotations

import torch

from medvl.models.masks.attention import Scheme, SchemeMask
from medvl.models.masks.layout import Layout

PREFIX, WORDS = 3, 4  # of the short joint sequence that is looked at


def first_leak(scheme: Scheme) -> int | None:
    """The first layer behind which some word knows of a later word; None where no number of layers lets it.

    In a layer a position takes in what it may attend to, which in the layer before took in what it might attend to. So
    under `bar`, where no word sees a later one, image tokens see it in layer 1 and hand it to earlier words in layer 2.
    A scheme that chooses at random is judged as it is in evaluation.

    Args:
        scheme: as a fusion calls it, with a layout alone.
    """
    words = WORDS + getattr(scheme, "text_cls", False)
    layout = Layout(PREFIX, words, torch.tensor([words]))
    allow = SchemeMask(scheme, layout).dense()[0].expand(layout.size, -1)  # (S, S)
    sees = (allow | torch.eye(layout.size, dtype=torch.bool)).float()  # what a layer adds to, it keeps
    known = torch.eye(layout.size)
    for layer in range(1, layout.size + 1):  # further layers reach nothing new
        known = (sees @ known > 0).float()
        if known[PREFIX:, PREFIX:].triu(1).any():
            return layer
    return None

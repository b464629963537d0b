"""Lint: radiographs mirrored at random beside text that says left or right, which is then wrong half the time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvl.data.lints.finding import FLIP_WITH_TEXT, Finding

# sections written before anybody looked at the image: they seldom say where something stands in it
BEFORE_LOOKING = ("indication", "history", "comparison", "technique", "clinical_notes")
SIDE = r"(?i)\b(left|right)\b"
FEW = 0.01  # share of texts below which sides are a matter of chance, not of the section

_DO = "switch the flip off (flip: 0), or take a view that does not mirror"


def flips_by_section(views: Sequence[str], section: str) -> list[Finding]:
    """What can be said before data is read: a section that describes the image names sides.

    Args:
        views: names of the views that mirror (`View.flips`).
        section: the text that is the input.
    """
    if not views or section in BEFORE_LOOKING:
        return []
    return [_finding(views, f"the text '{section}' describes where findings stand")]


def flips_by_text(views: Sequence[str], section: str, texts: pa.ChunkedArray) -> list[Finding]:
    """What the texts themselves say.

    Args:
        views: names of the views that mirror.
        section: which text it is, for the message.
        texts: strings, null where there is none; a sample does.
    """
    if not views or len(texts) == 0:
        return []
    share = float(np.asarray(pc.match_substring_regex(pc.fill_null(texts, ""), SIDE)).mean())
    if share < FEW:
        return []
    return [_finding(views, f"{share:.0%} of the texts ('{section}') say left or right")]


def _finding(views: Sequence[str], said: str) -> Finding:
    mirrored = f"view{'s' if len(views) > 1 else ''} {', '.join(views)} mirror{'' if len(views) > 1 else 's'}"
    return Finding(FLIP_WITH_TEXT, "warning", f"{mirrored} the radiograph, and {said}", _DO)

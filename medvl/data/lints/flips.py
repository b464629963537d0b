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


def flips_by_section(views: Sequence[str], sections: Sequence[str]) -> list[Finding]:
    """What can be said before data is read: a section that describes the image names sides.

    Args:
        views: names of the views that mirror (`View.flip`).
        sections: those that the text which is the input is made of.
    """
    telling = [section for section in sections if section not in BEFORE_LOOKING]
    if not views or not telling:
        return []
    return [_finding(views, f"the text ({', '.join(telling)}) describes where findings stand")]


def flips_by_text(views: Sequence[str], title: str, texts: pa.Array) -> list[Finding]:
    """What the texts themselves say.

    Args:
        views: names of the views that mirror.
        title: which text it is, for the message.
        texts: strings; a sample does.
    """
    if not views or len(texts) == 0:
        return []
    share = float(np.asarray(pc.match_substring_regex(texts, SIDE)).mean())
    if share < FEW:
        return []
    return [_finding(views, f"{share:.0%} of the texts ({title}) say left or right")]


def _finding(views: Sequence[str], said: str) -> Finding:
    mirrored = f"view{'s' if len(views) > 1 else ''} {', '.join(views)} mirror{'' if len(views) > 1 else 's'}"
    return Finding(FLIP_WITH_TEXT, "warning", f"{mirrored} the radiograph, and {said}", _DO)

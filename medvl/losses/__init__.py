"""Standard losses, as modules with keyword parameters or as functions. Plugins import from here; loaded late."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "BinaryCrossEntropy": "medvl.losses.bce",
    "InfoNCE": "medvl.losses.info_nce",
    "chunked_clip": "medvl.losses.chunked_contrast",
    "chunked_info_nce": "medvl.losses.chunked_contrast",
    "chunked_nt_xent": "medvl.losses.chunked_contrast",
}

__all__ = ["BinaryCrossEntropy", "InfoNCE", "chunked_clip", "chunked_info_nce", "chunked_nt_xent"]

if TYPE_CHECKING:
    from medvl.losses.bce import BinaryCrossEntropy
    from medvl.losses.chunked_contrast import chunked_clip, chunked_info_nce, chunked_nt_xent
    from medvl.losses.info_nce import InfoNCE


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'medvl.losses' has no public name '{name}'. known: {', '.join(__all__)}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)

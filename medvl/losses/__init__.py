"""Standard losses, as modules with keyword parameters or as functions. Plugins import from here; loaded late."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "BinaryCrossEntropy": "medvl.losses.bce",
    "CLIPLoss": "medvl.losses.clip",
    "FocalDice": "medvl.losses.focal_dice",
    "InfoNCE": "medvl.losses.info_nce",
    "NTXent": "medvl.losses.nt_xent",
    "ThreeClass": "medvl.losses.three_class",
    "VICReg": "medvl.losses.vicreg",
    "check_chunk": "medvl.losses.chunked_contrast",
    "chunked_clip": "medvl.losses.chunked_contrast",
    "chunked_info_nce": "medvl.losses.chunked_contrast",
    "chunked_nt_xent": "medvl.losses.chunked_contrast",
    "clip_loss": "medvl.losses.clip",
    "full_precision": "medvl.losses.info_nce",
}

__all__ = [
    "BinaryCrossEntropy",
    "CLIPLoss",
    "FocalDice",
    "InfoNCE",
    "NTXent",
    "ThreeClass",
    "VICReg",
    "check_chunk",
    "chunked_clip",
    "chunked_info_nce",
    "chunked_nt_xent",
    "clip_loss",
    "full_precision",
]

if TYPE_CHECKING:
    from medvl.losses.bce import BinaryCrossEntropy
    from medvl.losses.chunked_contrast import check_chunk, chunked_clip, chunked_info_nce, chunked_nt_xent
    from medvl.losses.clip import CLIPLoss, clip_loss
    from medvl.losses.focal_dice import FocalDice
    from medvl.losses.info_nce import InfoNCE, full_precision
    from medvl.losses.nt_xent import NTXent
    from medvl.losses.three_class import ThreeClass
    from medvl.losses.vicreg import VICReg


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'medvl.losses' has no public name '{name}'. known: {', '.join(__all__)}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)

"""Standard losses, as modules with keyword parameters. Public: plugins import from here."""

from medvl.losses.bce import BinaryCrossEntropy
from medvl.losses.info_nce import InfoNCE

__all__ = ["BinaryCrossEntropy", "InfoNCE"]

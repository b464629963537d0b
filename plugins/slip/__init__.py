"""SLIP variants on radiographs: Huang 2023. Names its components and imports nothing heavy."""

from __future__ import annotations

import medvl


@medvl.hookimpl
def medvl_register(registry: medvl.Registry) -> None:
    """Two language-image objectives and two self-supervised ones; `total` joins any of them."""
    registry.register_objective("clip", "medvl_slip.language_image:CLIP")
    registry.register_objective("convirt", "medvl_slip.language_image:ConVIRT")
    registry.register_objective("simclr", "medvl_slip.simclr:SimCLR")
    registry.register_objective("vicreg", "medvl_slip.vicreg:VICReg")

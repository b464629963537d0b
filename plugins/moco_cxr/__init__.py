"""MoCo-CXR: Sowrirajan 2021, on MoCo v2. Names its components and imports nothing heavy."""

from __future__ import annotations

import medvl


@medvl.hookimpl
def medvl_register(registry: medvl.Registry) -> None:
    """The MoCo v2 objective."""
    registry.register_objective("moco", "medvl_moco_cxr.objective:MoCo")

"""MRM (Zhou 2023): names its components and imports nothing heavy."""

from __future__ import annotations

import medvl


@medvl.hookimpl
def medvl_register(registry: medvl.Registry) -> None:
    """Masked record modelling as an objective."""
    registry.register_objective("mrm", "medvl_mrm.objective:MRM")

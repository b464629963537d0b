"""MedViLL (Moon 2022): names its components and imports nothing heavy."""

from __future__ import annotations

import medvl


@medvl.hookimpl
def medvl_register(registry: medvl.Registry) -> None:
    """The single-stream model and its baseline of report generation, as fusions."""
    registry.register_fusion("medvill", "medvl_medvill.fusion:MedViLL")
    registry.register_fusion("tienet", "medvl_medvill.tienet:TieNet")

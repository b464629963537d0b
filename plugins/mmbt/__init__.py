"""MMBT on radiographs: Kiela 2019, as used by Dalla Serra 2022. Names its components and imports nothing heavy."""

from __future__ import annotations

import medvl


@medvl.hookimpl
def medvl_register(registry: medvl.Registry) -> None:
    """The multimodal bitransformer as a fusion, and the one that Dalla Serra 2022 compares it with."""
    registry.register_fusion("mmbt", "medvl_mmbt.fusion:MMBT")
    registry.register_fusion("attentive", "medvl_mmbt.attentive:Attentive")

"""Suites that a plugin author inherits to have a component graded. Loaded on first use.

from medvl.testkit import ObjectiveSuite

class TestSigLIP(ObjectiveSuite):
    name = "siglip"
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["EncoderSuite", "FusionSuite", "ObjectiveSuite"]

if TYPE_CHECKING:
    from medvl.testkit.suites import EncoderSuite as EncoderSuite
    from medvl.testkit.suites import FusionSuite as FusionSuite
    from medvl.testkit.suites import ObjectiveSuite as ObjectiveSuite


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'medvl.testkit' has no public name '{name}'. known: {', '.join(__all__)}")
    return getattr(importlib.import_module("medvl.testkit.suites"), name)

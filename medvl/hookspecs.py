"""The one hook that a plugin implements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from medvl.registry import Registry

ENTRY_POINT_GROUP = "medvl"

hookspec = pluggy.HookspecMarker("medvl")
hookimpl = pluggy.HookimplMarker("medvl")


@hookspec
def medvl_register(registry: Registry) -> None:
    """Name this plugin's components, e.g. `registry.register_objective("siglip", SigLIP)`.

    The module that holds this hook must import nothing heavy (no torch): give a lazy target
    `"package.module:Class"`, or import inside a one-file plugin that is loaded only when named.
    """

"""The hook of the installed plugin. It imports no torch, so that `medvl list` stays quick."""

import medvl


@medvl.hookimpl
def medvl_register(registry: medvl.Registry) -> None:
    """The SigLIP objective."""
    registry.register_objective("siglip", "siglip:SigLIP")

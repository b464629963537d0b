"""What a component's signature says about its parameters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """Marks a parameter that takes a component by name: `loss: Annotated[nn.Module, Slot("loss")] = "bce"`."""

    kind: str

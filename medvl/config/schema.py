"""What the schema reads from annotations."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """Marks a parameter that names another component: `Annotated[Callable, Slot("mask")]`."""

    kind: str

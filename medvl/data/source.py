"""A file or folder that a dataset is read from: what it is, and where its owner gives it out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """One thing that must lie on the disk before a dataset can be read.

    Attributes:
        path: where it is looked for.
        what: what it holds, in a few words.
        where: how it is obtained: a page's address, and what must be signed or accepted there.
        needed: without it nothing can be read; one that is not needed adds labels, texts or boxes.
    """

    path: Path
    what: str
    where: str
    needed: bool = True

    @property
    def present(self) -> bool:
        """Whether it is there; nothing is opened."""
        return self.path.exists()

"""Datasets whose images are files, told from those that make them up or fetch them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class HasImageFiles(Protocol):
    """What `medvl.datasets.image_files.ImageFiles` promises of its files; any dataset that has these counts."""

    root: Path

    def index_files(self) -> Sequence[Path]:
        """The files that list the images."""

    def image_path(self, reference: str) -> Path:
        """The file of a reference."""

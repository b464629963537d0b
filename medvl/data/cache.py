"""Where medvl keeps what it can compute again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """`$MEDVL_CACHE`, else `~/.cache/medvl`, followed by `parts`. Not created."""
    root = os.environ.get("MEDVL_CACHE")
    return (Path(root).expanduser() if root else Path.home() / ".cache" / "medvl").joinpath(*parts)

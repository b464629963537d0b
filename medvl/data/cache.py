"""Where medvl keeps what it can compute again, and how files get there whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: builders of one store must not run at the same time
    fcntl = None  # type: ignore[assignment]


def cache_folder(*parts: str) -> Path:
    """`$MEDVL_CACHE`, else `~/.cache/medvl`, followed by `parts`. Not created."""
    root = os.environ.get("MEDVL_CACHE")
    return (Path(root).expanduser() if root else Path.home() / ".cache" / "medvl").joinpath(*parts)


def write_whole(path: Path, content: str) -> None:
    """Write a file that is there whole or not at all, whenever the process or the machine stops."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; others wait. The lock ends with the process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        if fcntl is not None:
            with suppress(OSError):  # some network file systems have no locks; one builder at a time works there too
                fcntl.flock(file, fcntl.LOCK_EX)
        yield

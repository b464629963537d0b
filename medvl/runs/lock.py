"""One process group a stage folder: two runs that write the same checkpoints would spoil both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medvl.errors import MedvlError

try:
    import fcntl
except ImportError:  # Windows has no such lock; starting a run twice is then the user's to avoid
    fcntl = None  # type: ignore[assignment]


class FolderInUse(MedvlError):
    """Another run is writing this stage."""


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a stage's folder until the block ends or the process does, however that ends.

    Raises:
        FolderInUse: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise FolderInUse(
                    f"{folder} is being written by another run (process {file.read().strip() or '?'}). wait for it, or stop it"
                ) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield

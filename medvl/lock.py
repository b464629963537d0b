"""One process at a time in a folder: builders of a store wait for each other, two runs of one stage do not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from medvl.errors import MedvlError

try:
    import fcntl
except ImportError:  # Windows has no such lock; not to start two at once is then the user's care
    fcntl = None  # type: ignore[assignment]

FILE = "lock"


class FolderInUse(MedvlError):
    """Another process is writing this folder."""


@contextmanager
def hold(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold a folder until the block ends or the process does, however that ends. The folder is made where missing.

    Args:
        folder: what is held; a file `lock` in it names the process.
        wait: for another holder to end, however long that takes; otherwise it is an error.

    Raises:
        FolderInUse: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("a+", encoding="utf-8") as file:
        _lock(file, folder, wait)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: TextIO, folder: Path, wait: bool) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        raise FolderInUse(
            f"{folder} is being written by another run (process {holder}). wait for it, or stop it"
        ) from None
    except OSError:
        return  # some network file systems have no locks; one process at a time works there too

"""Files that are either the old one or the new one, whole, whenever the machine stops."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

PIECE = 1 << 20  # bytes


def write_atomic(path: str | Path, write: Callable[[BinaryIO], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, sync it to the disk, and rename it into place.

    Where `write` or the disk fails, the file that stood at `path` stays as it was and no temporary file is left. The
    folder is made where it is missing.

    Args:
        path: the file to make or replace.
        write: gets a binary file open for writing.

    Returns:
        `path` as a `Path`.

    Raises:
        OSError: the disk is full or the folder cannot be written, as the system reports it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")  # one each: two writers must not mix
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:  # an interrupt, too, must not leave half a checkpoint behind
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return path


def write_text_atomic(path: str | Path, text: str) -> Path:
    """`write_atomic` for text, in UTF-8 with `\\n` line ends."""
    return write_atomic(path, lambda file: file.write(text.encode("utf-8")))


def content_digest(path: Path) -> str:
    """16 hexadecimal digits of a file's size and of its first, middle and last `PIECE` bytes.

    Of a folder, of all files in it. It changes wherever a file of weights or of word vectors was replaced, and takes
    milliseconds for one of 13 GB.
    """
    digest = hashlib.blake2b(digest_size=8)
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not file.is_file():
            continue
        size = file.stat().st_size
        digest.update(f"{file.relative_to(path)} {size}".encode())
        with file.open("rb") as content:
            for start in sorted({0, max(0, size // 2 - PIECE // 2), max(0, size - PIECE)}):
                content.seek(start)
                digest.update(content.read(PIECE))
    return digest.hexdigest()


def remove_leftovers(folder: Path) -> int:
    """Delete the temporary files that a killed process left in `folder` or below, when no other process writes there.

    Returns:
        How many there were.
    """
    leftovers = [path for path in folder.rglob(".*.tmp") if _is_temporary(path.name)]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def _is_temporary(name: str) -> bool:
    middle = name.split(".")[-2]
    return len(middle) == 32 and all(letter in "0123456789abcdef" for letter in middle)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; systems that cannot open folders do it on their own."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

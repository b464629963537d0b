"""Miniatures of official releases: who writes them, where they are kept, and the mark they carry.

The mark is there so that nobody takes a miniature's forty patients for a broken download.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import medvl
from medvl.files import write_text_atomic
from medvl.lock import hold

Write = Callable[..., dict[str, Any]]

MARK = "medvl-miniature.json"
ABOVE = 2  # folders above a dataset's root in which the mark is looked for: some writers put the release into one


def mark_miniature(folder: Path, name: str, patients: int, seed: int) -> None:
    """Say in `folder` what was written there."""
    content = {"dataset": name, "patients": patients, "seed": seed, "medvl": medvl.__version__}
    write_text_atomic(folder / MARK, json.dumps(content, indent=1) + "\n")


def is_miniature(root: Path) -> bool:
    """Whether a dataset's root lies in a marked folder."""
    root = root.resolve()
    return any((folder / MARK).is_file() for folder in (root, *root.parents[:ABOVE]))


def writer_of(dataset: Any) -> Write | None:
    """The function that a dataset's class names as the writer of its miniature."""
    if getattr(dataset, "fake", None) is None:
        return None
    module, _, function = dataset.fake.partition(":")
    return getattr(importlib.import_module(module), function)


def cached_miniature(
    name: str, dataset: Any, folder: Path, *, patients: int, seed: int, like: Mapping[str, Any]
) -> dict[str, Any]:
    """The `data:` parameters that read a miniature below `folder`, which is written there where it is missing.

    Args:
        name: of the dataset.
        dataset: its class, which has a writer.
        folder: where miniatures are kept, one below it for each kind.
        patients: how many.
        seed: of everything drawn.
        like: the `data:` parameters of the real one; writers that take `like` imitate them.
    """
    write = writer_of(dataset)
    assert write is not None
    asked: dict[str, Any] = {"patients": patients, "seed": seed}
    if "like" in inspect.signature(write).parameters:
        asked["like"] = dict(like)
    code = Path(inspect.getfile(write)).read_bytes()
    key = hashlib.sha256(json.dumps([asked, medvl.__version__], default=str, sort_keys=True).encode() + code)
    place = (folder / f"{name}-{key.hexdigest()[:12]}").resolve()
    with hold(place, wait=True):
        kept, files = place / "data.json", place / "files"
        if not kept.is_file():  # it is written last: without it, what lies there was interrupted
            shutil.rmtree(files, ignore_errors=True)
            files.mkdir()
            made = write(files, **asked)
            mark_miniature(files, name, patients, seed)
            write_text_atomic(kept, json.dumps(made, default=str))
        return json.loads(kept.read_text(encoding="utf-8"))

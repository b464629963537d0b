"""The mark that a miniature carries, so that nobody takes its forty patients for a broken download."""

from __future__ import annotations

import json
from pathlib import Path

import medvl
from medvl.files import write_text_atomic

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

"""Checkpoints that survive being killed at any moment: written aside, synced, renamed; the last good one is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from medvl.errors import CheckpointError
from medvl.runs.atomic import write_atomic

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write `last.ckpt`; the one before stays as `previous.ckpt`.

    Raises:
        CheckpointError: the disk is full or cannot be written; the checkpoints that were there stay good.
    """
    last, previous = folder / LAST, folder / PREVIOUS
    aside = folder / f"{LAST}.new"
    _write(
        aside,
        state,
        f"the one before it in {folder} is good; free some space and run the same command again to go on from it",
    )
    # between these two renames only previous.ckpt is there, and load_checkpoint falls back on it
    if last.exists():
        os.replace(last, previous)
    os.replace(aside, last)


def save_best(folder: Path, state: dict[str, Any]) -> None:
    """Write `best.ckpt` in place of the best so far."""
    _write(folder / BEST, state, "the best one so far is untouched; free some space and run the same command again")


def load_checkpoint(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """(the newest checkpoint that can be read or None, sentences about those that cannot).

    Raises:
        CheckpointError: there are checkpoints and none can be read.
    """
    notes: list[str] = []
    found = [path for name in (LAST, PREVIOUS) if (path := folder / name).exists()]
    for path in found:
        try:
            return read_checkpoint(path), notes
        except CheckpointError as error:
            notes.append(str(error))
    if notes:
        raise CheckpointError(
            "\n".join(notes) + f"\nno other checkpoint is left. to train this stage afresh, delete {folder}"
        )
    return None, notes


def read_checkpoint(path: Path) -> dict[str, Any]:
    """One checkpoint file, tensors on the CPU. Nothing in it is executed.

    Raises:
        CheckpointError: it is damaged, or it is a pickle that would run code.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises several types for a damaged archive
        text = str(error)
        if "Unsupported" in text or "GLOBAL" in text:
            raise CheckpointError(
                f"{path}: refused: it is a pickle that would run code when read, not a checkpoint of medvl"
            ) from error
        raise CheckpointError(
            f"{path}: damaged, cannot be read ({type(error).__name__}: {text.splitlines()[0][:120]})"
        ) from error


def _write(path: Path, state: dict[str, Any], consolation: str) -> None:
    try:
        write_atomic(path, lambda file: torch.save(state, file))
    except (OSError, RuntimeError) as error:  # torch wraps a failing write in a RuntimeError
        cause = error if isinstance(error, OSError) else (error.__cause__ or error.__context__ or error)
        raise CheckpointError(f"{path}: this checkpoint could not be written ({cause}). {consolation}") from error

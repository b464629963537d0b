"""Checkpoints that survive being killed at any moment: written aside, synced, renamed; the last good one is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from medvl.errors import CheckpointError
from medvl.files import write_atomic

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
NEXT = "next.ckpt"  # whole, and on its way to become last.ckpt


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Write `last.ckpt`; the one before stays as `previous.ckpt`.

    Raises:
        CheckpointError: the disk is full or cannot be written; the checkpoints that were there stay good.
    """
    last = folder / LAST
    kept = "the one before it is good" if last.exists() else "the stage will start afresh"
    _write(folder / NEXT, state, f"{kept}: free some space and run the same command again to go on")
    # a kill before, between or after these renames leaves a whole checkpoint of this step under one of the names
    if last.exists():
        os.replace(last, folder / PREVIOUS)
    os.replace(folder / NEXT, last)


def save_best(folder: Path, state: dict[str, Any]) -> None:
    """Write `best.ckpt` in place of the best so far.

    Raises:
        CheckpointError: the disk is full or cannot be written; the best so far stays.
    """
    _write(folder / BEST, state, "the best one so far is untouched: free some space and run the same command again")


def keep_selected(folder: Path) -> None:
    """Of a finished stage keep the selected weights, as `best.ckpt`; what only serves to go on from goes.

    Raises:
        CheckpointError: the disk is full; nothing is lost.
    """
    if not (folder / BEST).is_file():
        state = read_checkpoint(folder / LAST)
        save_best(folder, {"step": state["progress"]["step"], "trainable": state["trainable"]})
    for name in (NEXT, LAST, PREVIOUS):
        (folder / name).unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """(the newest checkpoint that can be read or None, sentences about those that cannot).

    Raises:
        CheckpointError: there are checkpoints and none can be read.
    """
    problems: list[str] = []
    for path in (folder / name for name in (NEXT, LAST, PREVIOUS)):
        if not path.exists():
            continue
        try:
            state = read_checkpoint(path)
        except CheckpointError as error:
            problems.append(str(error))
        else:
            return state, [f"{problem}. going on from {path.name} instead" for problem in problems]
    if problems:
        listed = "\n".join(problems)
        raise CheckpointError(f"{listed}\nno other checkpoint is left. to train this stage afresh, delete {folder}")
    return None, []


def read_checkpoint(path: Path) -> dict[str, Any]:
    """One checkpoint file, tensors on the CPU. Nothing in it is executed.

    Raises:
        CheckpointError: it is damaged, it is not medvl's, or it is a pickle that would run code.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises several types for a damaged archive
        text = str(error)
        if "Unsupported" in text or "GLOBAL" in text:
            raise CheckpointError(
                f"{path}: refused: it is a pickle that would run code when read, not a checkpoint of medvl"
            ) from error
        reason = (text.splitlines() or [""])[0][:120]
        raise CheckpointError(f"{path}: damaged, cannot be read ({type(error).__name__}: {reason})") from error
    if not isinstance(state, dict) or "trainable" not in state:
        raise CheckpointError(f"{path}: is not a checkpoint of medvl")
    return state


def _write(path: Path, state: dict[str, Any], consolation: str) -> None:
    try:
        write_atomic(path, lambda file: torch.save(state, file))
    except (OSError, RuntimeError) as error:  # torch wraps a failing write in a RuntimeError
        cause = error if isinstance(error, OSError) else (error.__cause__ or error.__context__ or error)
        raise CheckpointError(f"{path}: this checkpoint could not be written ({cause}). {consolation}") from error

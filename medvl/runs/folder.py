"""The names of what a stage leaves in its folder."""

from __future__ import annotations

from pathlib import Path

from medvl.errors import DataError
from medvl.runs.manifest import FILE as MANIFEST
from medvl.runs.manifest import Manifest

CONFIG = "config.yaml"
METRICS = "metrics.csv"
RESULTS = "results.json"
LOG = "log.txt"  # what a stage printed, where it ran in the background
ERROR = "error.txt"  # why it failed there
TOKENIZER = "tokenizer.json"
ANSWERS = "answers.json"  # the classes of answers, in their order
EXPORTS = "exports"
OBJECTIVE = "objective.safetensors"  # among the exports: the objective's own weights, for `init`
TENSORBOARD = "tensorboard"
FIGURES = "figures"
CURVES = f"{FIGURES}/curves.png"
PREDICTIONS = "predictions"
SUBSET = "subset.parquet"

# what a reader is told of, in this order
PARTS = (CONFIG, MANIFEST, SUBSET, METRICS, RESULTS, "last.ckpt", "best.ckpt", EXPORTS, PREDICTIONS, FIGURES)


def predictions_file(split: str) -> str:
    """Where the per-case predictions of a split stand."""
    return f"{PREDICTIONS}/{split}.parquet"


def find_stage(run: Path) -> Path:
    """The stage folder that a user means: itself, or the newest finished one with predictions below a run's folder.

    Raises:
        DataError: there is none; says what is there.
    """
    if (run / MANIFEST).is_file():
        return run
    found = (
        [path.parent for path in run.glob(f"*/{MANIFEST}") if (path.parent / RESULTS).is_file()] if run.is_dir() else []
    )
    finished = [folder for folder in found if Manifest.read(folder).status == "complete"]
    if not finished:
        there = ", ".join(sorted(p.name for p in run.iterdir())) if run.is_dir() else "no such folder"
        raise DataError(
            f"'{run}' holds no finished stage that predicts ({there}). give runs/NAME or runs/NAME/STAGE-HASH"
        )
    return max(finished, key=lambda folder: Manifest.read(folder).ended)

"""The names of what a stage leaves in its folder."""

from __future__ import annotations

from pathlib import Path

from medvl.errors import DataError, unknown
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
DRAWS = "draws"
SUBSET = "subset.parquet"

# what a reader is told of, in this order
PARTS = (CONFIG, MANIFEST, SUBSET, METRICS, RESULTS, "last.ckpt", "best.ckpt", EXPORTS, PREDICTIONS, DRAWS, FIGURES)


def predictions_file(split: str) -> str:
    """Where the per-case predictions of a split stand."""
    return f"{PREDICTIONS}/{split}.parquet"


def draws_file(stem: str) -> str:
    """Where the bootstrap draws of an evaluator stand, e.g. of `perplexity-test`."""
    return f"{DRAWS}/{stem}.npz"


def find_stage(run: Path, stage: str | None = None, *, predicts: bool = True) -> Path:
    """The stage folder that a user means: itself, or the newest finished one below a run's folder.

    Args:
        run: folder of a run or of a stage.
        stage: name of the stage; any where None.
        predicts: below a run's folder, look among stages that were evaluated alone.

    Raises:
        DataError: there is none; says what is there.
    """
    if (run / MANIFEST).is_file():
        name = Manifest.read(run).stage
        if stage not in (None, name):
            raise DataError(f"'{run}': {unknown('stage', str(stage), [name])}")
        return run
    manifests = {path.parent: Manifest.read(path.parent) for path in run.glob(f"*/{MANIFEST}")} if run.is_dir() else {}
    finished = {
        folder: manifest
        for folder, manifest in manifests.items()
        if manifest.status == "complete" and (not predicts or (folder / RESULTS).is_file())
    }
    if not finished:
        there = ", ".join(sorted(p.name for p in run.iterdir())) if run.is_dir() else "no such folder"
        what = "finished stage that predicts" if predicts else "finished stage"
        raise DataError(f"'{run}' holds no {what} ({there}). give runs/NAME or runs/NAME/STAGE-HASH")
    names = {manifest.stage for manifest in finished.values()}
    if stage is not None and stage not in names:
        raise DataError(f"'{run}': {unknown('stage', stage, names)}")
    ended = {folder: manifest.ended for folder, manifest in finished.items() if stage in (None, manifest.stage)}
    return max(ended, key=lambda folder: ended[folder])

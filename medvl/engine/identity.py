"""A stage's name: the hash of all that its weights depend on, so that equal stages of many runs are trained once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from medvl.config.experiment import Experiment, Stage

# these change how a stage is run, not what comes out
WITHOUT_EFFECT = {"budget": ("checkpoint_seconds",), "data": ("expect", "accept")}


def stage_hash(experiment: Experiment, stage: Stage, data: str, parents: Mapping[str, str], precision: str) -> str:
    """12 hexadecimal digits.

    Args:
        experiment: gives the seed.
        stage: its resolved configuration, defaults included.
        data: the dataset's fingerprint.
        parents: stage name -> hash of the stages whose exports it starts from.
        precision: as resolved for the hardware.
    """
    values = stage.plain()
    for section, keys in WITHOUT_EFFECT.items():
        values[section] = {key: value for key, value in values[section].items() if key not in keys}
    known = {
        "seed": experiment.seed,
        "name": stage.name,
        "stage": values,
        "data": data,
        "parents": dict(parents),
        "precision": precision,
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:12]


def stage_seed(experiment: Experiment, stage: Stage) -> int:
    """A seed of the stage's own, so that stages do not repeat each other's random numbers."""
    return int.from_bytes(hashlib.sha256(f"{experiment.seed} {stage.name}".encode()).digest()[:4], "big")

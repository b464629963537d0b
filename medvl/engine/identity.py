"""A stage's name: the hash of all that its weights depend on, so that equal stages of many runs are trained once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from medvl.config.experiment import Experiment, Stage

# these change how a stage is run, not what comes out
WITHOUT_EFFECT = {"budget": ("checkpoint_seconds", "figure_epochs"), "data": ("expect", "accept")}


def stage_hash(experiment: Experiment, stage: Stage, data: str, parents: Mapping[str, str], precision: str) -> str:
    """12 hexadecimal digits.

    Args:
        experiment: gives the seed, of the splits and of all else where the stage has none of its own.
        stage: its resolved configuration, defaults included.
        data: the dataset's fingerprint.
        parents: stage name -> hash of the stages whose exports it starts from.
        precision: as resolved for the hardware.
    """
    values = stage.plain()
    for section, keys in WITHOUT_EFFECT.items():
        values[section] = {key: value for key, value in values[section].items() if key not in keys}
    own = values.pop("seed", experiment.seed)
    known = {
        "seed": experiment.seed,
        "name": stage.name,
        "stage": values,
        "data": data,
        "parents": dict(parents),
        "precision": precision,
    }
    if own != experiment.seed:
        known["stage_seed"] = own
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:12]


def seed_of(experiment: Experiment, stage: Stage) -> int:
    """The seed that the YAML gives a stage: its own, or the experiment's."""
    return experiment.seed if stage.seed is None else stage.seed


def stage_seed(experiment: Experiment, stage: Stage) -> int:
    """What a stage's random numbers start from, so that stages of one seed do not repeat each other's."""
    text = f"{seed_of(experiment, stage)} {stage.name}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

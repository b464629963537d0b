"""A stage's name: the hash of all that its weights depend on, so that equal stages of many runs are trained once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medvl.config.experiment import Experiment, Stage
from medvl.files import content_digest

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
    files = {text: content_digest(Path(text)) for text in _texts(values) if _is_read(text)}
    if files:
        known["files"] = files
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _texts(value: Any) -> Iterator[str]:
    """All texts of a stage but those of `data`, whose fingerprint stands for its files."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(one) if key != "data" else ()
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _is_read(text: str) -> bool:
    """Whether it names a file, or a folder that holds a model: weights, word vectors, labels."""
    if not ("." in text or os.sep in text) or "\0" in text:
        return False
    try:
        return os.path.isfile(text) or os.path.isfile(os.path.join(text, "config.json"))
    except OSError:  # too long for a path
        return False


def seed_of(experiment: Experiment, stage: Stage) -> int:
    """The seed that the YAML gives a stage: its own, or the experiment's."""
    return experiment.seed if stage.seed is None else stage.seed


def stage_seed(experiment: Experiment, stage: Stage) -> int:
    """What a stage's random numbers start from, so that stages of one seed do not repeat each other's."""
    text = f"{seed_of(experiment, stage)} {stage.name}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

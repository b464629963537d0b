"""Where each stage of an experiment stands: its hash, its folder, and the folders of the stages it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medvl.config.experiment import Experiment, Stage
from medvl.engine.identity import stage_hash
from medvl.engine.start import parents_of


@dataclass(frozen=True)
class Located:
    """One stage.

    Attributes:
        hash: of all that its weights depend on.
        folder: `runs/NAME/STAGE-HASH`.
        parents: stage name -> folder of the stages it starts from.
    """

    hash: str
    folder: Path
    parents: dict[str, Path]


def locate(experiment: Experiment, stage: Stage, data: str, earlier: Mapping[str, Located], precision: str) -> Located:
    """Where a stage stands.

    Args:
        experiment: of the stage.
        stage: resolved.
        data: the fingerprint of its dataset.
        earlier: where the stages before it stand.
        precision: as resolved for the hardware.
    """
    parents = {name: earlier[name] for name in parents_of(stage) if name in earlier}
    digest = stage_hash(experiment, stage, data, {name: at.hash for name, at in parents.items()}, precision)
    folder = experiment.runs / experiment.name / f"{stage.name}-{digest}"
    return Located(digest, folder, {name: at.folder for name, at in parents.items()})

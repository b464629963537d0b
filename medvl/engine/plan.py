"""What a checked stage will build, read and export."""

from __future__ import annotations

from dataclasses import dataclass, field

from medvl.config.experiment import Stage
from medvl.contract import Feature
from medvl.data.lints.finding import Finding
from medvl.evaluate.base import Evaluator


@dataclass
class Plan:
    """What a stage will build and read, and the shapes it will export.

    Attributes:
        slots: model slots that the objective uses; the others are not built.
        views: views that the objective wants.
        reads_text: whether the model reads texts; judges_text: whether an evaluator does.
        reads_labels, reads_answers: whether labels are read, and answers, by the objective or by an evaluator.
        reads_masks: whether the objective reads masks.
        keeps_features: pooled features of the images are computed once and fed in place of the images.
        size: side in pixels of the views; source: side that the image store must hold.
        exports: export name -> {tensor name: shape}; objective: the same of the objective's own tensors.
        pairing: those of `evaluators` that take the scores of pairs.
        mirroring: those of `views` that mirror the radiograph at random.
        notes: sentences worth telling.
        findings: what looks wrong, as far as parameters show it (`medvl.data.lints`).
    """

    stage: Stage
    slots: tuple[str, ...]
    views: tuple[str, ...]
    reads_text: bool
    judges_text: bool
    reads_labels: bool
    reads_answers: bool
    reads_masks: bool
    keeps_features: bool
    size: int
    source: int
    features: dict[str, Feature]
    exports: dict[str, dict[str, tuple[int, ...]]]
    objective: dict[str, tuple[int, ...]]
    parameters: int
    evaluators: list[Evaluator]
    pairing: list[Evaluator] = field(default_factory=list)
    mirroring: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

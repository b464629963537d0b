"""A finished stage, loaded to predict or to embed with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from medvl.config.component import Component
from medvl.config.experiment import Experiment, Stage
from medvl.config.resolve import plugin_requests, resolve, resolve_data
from medvl.config.source import Tree, read_yaml
from medvl.data.answers import AnswerClasses
from medvl.data.images import prepare_image
from medvl.data.selection import Selection
from medvl.data.view import View
from medvl.engine.assemble import build_dataset, build_model, build_objective, build_views, data_spec
from medvl.engine.check import check_stage
from medvl.engine.checkpoint import BEST, LAST, read_checkpoint
from medvl.engine.plan import Plan
from medvl.engine.trainable import Trainable
from medvl.errors import DataError
from medvl.models.base import Batch
from medvl.models.tokenizer import Corpus
from medvl.plugins import Plugins
from medvl.runs.folder import ANSWERS, CONFIG, TOKENIZER, find_stage


@dataclass
class TrainedStage:
    """A finished stage with the weights that it selected, in evaluation mode on the CPU.

    Attributes:
        folder: of the stage.
        tree, plugins: what its configuration was resolved from.
        experiment: with this stage alone.
        labels: the findings of its data.
        answers: the classes of its answers, where its cases are questions.
    """

    folder: Path
    tree: Tree
    plugins: Plugins
    experiment: Experiment
    plan: Plan
    trainable: Trainable
    labels: tuple[str, ...]
    answers: tuple[str, ...]

    @classmethod
    def load(cls, run: Path, name: str | None = None, *, predicts: bool = True) -> TrainedStage:
        """The stage of a stage folder, or a run's newest finished one.

        Args:
            run, name, predicts: which stage, see `medvl.runs.folder.find_stage`.

        Raises:
            DataError: no finished stage there.
            CheckpointError: its weights are damaged.
        """
        folder = find_stage(run, name, predicts=predicts)
        tree = read_yaml(folder / CONFIG)
        for stage_values in tree.values["stages"].values():
            for component in (*stage_values["model"].values(), stage_values["objective"]):
                component.pop("init", None)  # all weights come from the checkpoint
        files, required = plugin_requests(tree)
        plugins = Plugins(files, required)
        experiment = resolve(tree, plugins)
        stage = next(iter(experiment.stages.values()))
        plan = check_stage(stage, {})
        data = data_spec(stage, build_dataset(stage))
        if plan.reads_answers:
            data = replace(data, answers=AnswerClasses.read(folder / ANSWERS).names)
        corpus = Corpus(tokenizer_file=folder / TOKENIZER if (folder / TOKENIZER).is_file() else None)
        model = build_model(stage, plan.size, corpus, only=plan.slots)
        trainable = Trainable(model, build_objective(stage, model, data))
        weights = folder / BEST if (folder / BEST).is_file() else folder / LAST
        trainable.load_state_dict(read_checkpoint(weights)["trainable"])
        return cls(folder, tree, plugins, experiment, plan, trainable.eval(), tuple(data.labels), data.answers)

    @property
    def stage(self) -> Stage:
        """The stage's resolved configuration."""
        return self.plan.stage

    def data(self) -> tuple[Component, Selection]:
        """What the stage learned from; with labels where it learned without, for pictures show them."""
        own = dict(self.tree.values["stages"][self.stage.name]["data"])
        if own.get("labels") in ("none", {"policy": "none"}):
            own.pop("labels")
        tree = Tree({"stages": {self.stage.name: {"data": own}}})
        tree.history[()] = self.tree.history[()]
        return resolve_data(tree, self.plugins, ("stages", self.stage.name, "data"))

    def view(self) -> View | None:
        """The first view that the objective reads, without its randomness; None where it looks at no image."""
        return build_views(self.stage)[self.plan.views[0]].fixed() if self.plan.views else None


@dataclass
class Predictor:
    """Probabilities of findings for image files, or their reports, with the weights that a stage selected.

    Attributes:
        labels: what the columns of `probabilities` are.
        reads_text: whether the model reads text beside the image.
        writes: whether it writes reports, and predicts no findings.
    """

    stage: Stage
    trainable: Trainable
    view: View | None
    labels: tuple[str, ...]
    source: int
    reads_text: bool
    writes: bool

    @classmethod
    def load(cls, run: Path) -> Predictor:
        """The predictor of a stage folder, or of a run's newest finished stage.

        Raises:
            DataError: no finished stage there, or one that neither predicts findings nor writes reports.
            CheckpointError: its weights are damaged.
        """
        trained = TrainedStage.load(run)
        stage, plan = trained.stage, trained.plan
        predicts = trained.trainable.objective.predicts
        writes = "report" in predicts and "logits" not in predicts
        if not writes and "logits" not in predicts:
            raise DataError(
                f"stage '{stage.name}' in {trained.folder} predicts no findings and writes no reports. give the folder "
                "of a stage that does"
            )
        reads_text = plan.reads_text and not writes
        return cls(stage, trained.trainable, trained.view(), trained.labels, plan.source, reads_text, writes)

    @property
    def cautions(self) -> list[str]:
        """What whoever reads these probabilities, or reports, must know."""
        told = self.trainable.objective.cautions(self.trainable.model)
        return [told[name] for name in ("report" if self.writes else "logits",) if name in told]

    @torch.no_grad()
    def probabilities(self, images: list[Path], text: str) -> np.ndarray:
        """(number of images, K) in [0, 1]; the same text goes with every image.

        Raises:
            DataError: an image that cannot be read.
        """
        return self.trainable.predict(self._batch(images, text), ("logits",))["logits"].sigmoid().numpy()

    @torch.no_grad()
    def reports(self, images: list[Path]) -> list[str]:
        """A written report for each image.

        Raises:
            DataError: an image that cannot be read.
        """
        text = self.trainable.model.text
        assert text is not None, "what writes has words"
        return text.tokenizer.decode(self.trainable.predict(self._batch(images, ""), ("report",))["report"].numpy())

    def _batch(self, images: list[Path], text: str) -> Batch:
        batch: Batch = {}
        if self.view is not None:
            fit, decode = self.stage.selection.fit, self.stage.selection.decode
            pixels = np.stack([prepare_image(path, self.source, fit, decode) for path in images])
            batch |= self.view.fields("image", torch.from_numpy(pixels), {})
        text_encoder = self.trainable.model.text
        if text_encoder is not None:
            ids, _ = text_encoder.tokenizer.encode([text])
            batch["text.ids"] = torch.from_numpy(ids).long().expand(len(images), -1)
            batch["text.mask"] = torch.ones_like(batch["text.ids"], dtype=torch.bool)
        return batch

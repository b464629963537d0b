"""One stage from data to results. Every step can be killed and is taken up again by the next run."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml

from medvl.config.experiment import Experiment
from medvl.data.feed import Feeder
from medvl.data.view import View
from medvl.engine.assemble import build_evaluators, build_model, build_objective, build_views
from medvl.engine.check import Plan
from medvl.engine.checkpoint import BEST, load_checkpoint, read_checkpoint
from medvl.engine.identity import stage_seed
from medvl.engine.interrupt import InterruptGuard
from medvl.engine.predicting import cases_of, predict
from medvl.engine.schedules import Horizon
from medvl.engine.stage_data import StageData, read_stage_data
from medvl.engine.start import corpus_for, load_start, save_exports
from medvl.engine.trainable import Trainable
from medvl.engine.trainer import Trainer, seed_everything
from medvl.evaluate.base import Result
from medvl.runs import folder as names
from medvl.runs.atomic import remove_leftovers, write_text_atomic
from medvl.runs.curves import plot_curves, write_figure
from medvl.runs.figures import plot_findings
from medvl.runs.manifest import Manifest, device_name
from medvl.runs.metrics_log import MetricsLog, read_metrics
from medvl.runs.predictions import write_predictions
from medvl.runs.progress import Progress as ProgressBar
from medvl.runs.tables import Table

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from medvl.data.dataset import Dataset


@dataclass
class Outcome:
    """What a stage left.

    Attributes:
        tables: of its evaluators, to print.
        reused: True where an earlier run had finished it already.
    """

    stage: str
    folder: Path
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reused: bool = False


@dataclass
class StageRun:
    """One stage on its way.

    Attributes:
        folder: `runs/NAME/STAGE-HASH`.
        parents: stage name -> folder of the stages it starts from.
    """

    experiment: Experiment
    plan: Plan
    fabric: Fabric
    folder: Path
    hash: str
    parents: dict[str, Path]
    dataset: Dataset
    plugins: dict[str, str]

    def run(self, guard: InterruptGuard) -> Outcome:
        """Train what is left to train, evaluate, export.

        Raises:
            Interrupted: stopped on request, after a checkpoint.
            MedvlError: bad data, weights or disk.
        """
        finished = self._finished()
        if finished is not None:
            return finished
        manifest = self._open_manifest()
        data = read_stage_data(self.plan, self.dataset, self.experiment.seed, self._splits(), self._leads)
        seed_everything(stage_seed(self.experiment, self.plan.stage))
        trainable = self._build(data, manifest)
        self._describe_data(manifest, data)
        trained, best_step = self._train(trainable, data, manifest, guard)
        self._take_best(trained, best_step)
        outcome = Outcome(self.plan.stage.name, self.folder, notes=[*data.notes, *self.plan.notes])
        outcome.tables = self._evaluate(trained, data)
        if self._leads:
            save_exports(self.folder, trained.model, trained.objective, self.plan.stage)
            self._draw(best_step)
            manifest.status = "complete"
            manifest.write(self.folder)
        self.fabric.barrier()
        return outcome

    @property
    def _leads(self) -> bool:
        """One process of several writes and prints."""
        return self.fabric.is_global_zero

    def _splits(self) -> set[str]:
        wanted = {evaluator.split for evaluator in self.plan.evaluators if hasattr(evaluator, "split")}
        return wanted | ({"val"} if self.plan.evaluators or self.plan.stage.stop is not None else set())

    def _finished(self) -> Outcome | None:
        try:
            if Manifest.read(self.folder).status != "complete":
                return None
        except Exception:
            return None
        outcome = Outcome(self.plan.stage.name, self.folder, reused=True)
        stored = self.folder / names.RESULTS
        if stored.is_file():
            for evaluator, values in zip(self.plan.evaluators, json.loads(stored.read_text()), strict=True):
                outcome.tables.append(self._table(evaluator, values["name"], _result(values)))
        return outcome

    def _open_manifest(self) -> Manifest:
        remove_leftovers(self.folder)
        try:
            manifest = Manifest.read(self.folder)
        except Exception:
            manifest = Manifest(self.experiment.name, self.plan.stage.name)
        manifest.status = "running"
        manifest.config, manifest.data = self.hash, self.dataset.fingerprint()
        manifest.parents = {name: folder.name for name, folder in self.parents.items()}
        manifest.plugins = self.plugins
        manifest.device = device_name(str(self.fabric.device))
        if self._leads:
            resolved = self.experiment.plain() | {"stages": {self.plan.stage.name: self.plan.stage.plain()}}
            write_text_atomic(self.folder / names.CONFIG, yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))
            manifest.write(self.folder)
        return manifest

    def _build(self, data: StageData, manifest: Manifest) -> Trainable:
        """Model and objective with the weights they start from; texts become token ids."""
        training_texts = None if data.texts is None else [data.texts[row] for row in self._corpus_rows(data)]
        corpus = corpus_for(self.plan, self.folder, self.parents, training_texts)
        model = build_model(self.plan.stage, self.plan.size, corpus, only=self.plan.slots)
        if model.text is not None:
            if self._leads and not (self.folder / names.TOKENIZER).is_file():
                model.text.save_files(self.folder)
            data.tokenize(model.text.tokenizer)
        for coverage in load_start(model, self.plan, self.parents):
            manifest.coverage[coverage.source] = round(coverage.share, 4)
        return Trainable(model, build_objective(self.plan.stage, model, data.spec))

    def _corpus_rows(self, data: StageData) -> list[int]:
        """The vocabulary is trained on the whole training split, whatever fraction of it is labelled."""
        from medvl.data.selection import SPLITS, splits_of

        selection = self.plan.stage.selection
        sides = splits_of(data.table, selection, self.experiment.seed)
        return [row for row in (sides == SPLITS.index(selection.split)).nonzero()[0].tolist()]

    def _describe_data(self, manifest: Manifest, data: StageData) -> None:
        manifest.splits = {name: len(rows) for name, rows in data.rows.items()}
        manifest.subset = data.subset_hash()
        if data.spec.positives and data.spec.negatives:
            counts = zip(data.spec.labels, data.spec.positives, data.spec.negatives, strict=True)
            manifest.prevalence = {name: round(p / max(1, p + n), 4) for name, p, n in counts}
        for note in data.notes:
            manifest.note(note)
        if self._leads:
            manifest.write(self.folder)

    def _feeder(self, data: StageData, split: str) -> Feeder:
        budget = self.plan.stage.budget
        views: dict[str, View] = {
            name: view for name, view in build_views(self.plan.stage).items() if name in self.plan.views
        }
        train = split == "train"
        world = self.fabric.world_size
        return Feeder(
            data.cases(split), views, batch_size=budget.batch_size, device=self.fabric.device,
            seed=stage_seed(self.experiment, self.plan.stage), rank=self.fabric.global_rank, world=world,
            accumulate=budget.accumulate if train else 1,
        )  # fmt: skip

    def _train(
        self, trainable: Trainable, data: StageData, manifest: Manifest, guard: InterruptGuard
    ) -> tuple[Trainable, int | None]:
        stage, feeder = self.plan.stage, self._feeder(data, "train")
        total = stage.budget.total_steps(feeder.steps_per_epoch)
        if self.fabric.device.type == "cuda":
            trainable.model.to(memory_format=torch.channels_last)
        trainable.to(self.fabric.device)
        optimization = stage.optim.build(
            parameters=[p for p in trainable.parameters() if p.requires_grad],
            horizon=Horizon(total, feeder.steps_per_epoch),
        )
        if self.experiment.compile:
            trainable.compile()
        wrapped, optimizer = self.fabric.setup(trainable, optimization.optimizer)
        with (
            MetricsLog(self.folder / names.METRICS, tensorboard=self.folder / names.TENSORBOARD) as log,
            ProgressBar(stage.name, total, start=0, enabled=self._leads) as bar,
        ):
            for note in log.notes:
                manifest.note(note)
            trainer = Trainer(
                self.fabric, wrapped, optimizer, optimization, stage.budget, stage.stop, total, feeder.steps_per_epoch,
                self._validator(trainable, data) if "val" in data.rows else None, _Reporter(log, bar, self._leads), self.folder,
            )  # fmt: skip
            state, notes = load_checkpoint(self.folder)
            for note in notes:
                manifest.note(note)
                print(f"note: {note}")
            if state is not None:
                trainer.load(state)
                log.truncate_after(trainer.progress.step)
                bar.done = bar.start = trainer.progress.step
            self._fit(trainer, feeder, manifest, guard)
        return trainable, trainer.progress.best_step

    def _fit(self, trainer: Trainer, feeder: Feeder, manifest: Manifest, guard: InterruptGuard) -> None:
        """Train, and add the time it took to the manifest however it ends."""
        began, first = time.monotonic(), trainer.progress.step
        try:
            with closing(feeder.train(trainer.progress.step)) as batches:  # type: ignore[type-var]
                trainer.fit(batches, guard)
        finally:
            seconds = manifest.seconds + time.monotonic() - began
            done = (trainer.progress.step - first) * feeder.batch_size + round(
                manifest.seconds * manifest.samples_per_second
            )
            manifest.finish("running", seconds=seconds, samples=done)
            if self._leads:
                manifest.write(self.folder)

    def _validator(self, trainable: Trainable, data: StageData) -> Any:
        feeder = self._feeder(data, "val")
        evaluators = build_evaluators(self.plan.stage, data.spec)

        def validate() -> dict[str, float]:
            predicted = predict(self.fabric, trainable, feeder, outputs=bool(evaluators), losses=True)
            metrics = {"loss": float(predicted["loss"].mean())}
            for evaluator in evaluators:
                metrics |= evaluator.evaluate(cases_of(data, "val", predicted), intervals=False).metrics
            return {f"val/{name}": value for name, value in metrics.items()}

        return validate

    def _take_best(self, trainable: Trainable, best_step: int | None) -> None:
        """Where a metric selects, what follows is of the selected weights; else of the last ones."""
        if best_step is not None:
            self.fabric.barrier()
            trainable.load_state_dict(read_checkpoint(self.folder / BEST)["trainable"])

    def _evaluate(self, trainable: Trainable, data: StageData) -> list[Table]:
        trainable.eval()
        stored, tables = [], []
        for evaluator, component in zip(
            build_evaluators(self.plan.stage, data.spec), self.plan.stage.evaluate, strict=True
        ):
            split = getattr(evaluator, "split", "test")
            cases = cases_of(data, split, predict(self.fabric, trainable, self._feeder(data, split)))
            result = evaluator.evaluate(cases)
            stored.append({"name": component.name, "split": split, **vars(result)})
            tables.append(self._table(evaluator, component.name, result))
            if self._leads:
                path = self.folder / names.predictions_file(split)
                path.parent.mkdir(exist_ok=True)
                write_predictions(path, cases, data.table, data.spec.labels)
                tables[-1].write(self.folder, f"results-{component.name}-{split}")
                if component.name == "multilabel":
                    figure = plot_findings(result, data.spec.labels, title=f"{self.plan.stage.name}: {split} AUROC")
                    _figure(figure, self.folder / "figures" / f"auroc-{split}.png")
        if stored and self._leads:
            write_text_atomic(self.folder / names.RESULTS, json.dumps(stored, indent=2))
        return tables

    def _table(self, evaluator: Any, name: str, result: Result) -> Table:
        columns, rows = evaluator.table(result)
        split = getattr(evaluator, "split", "test")
        return Table(f"{self.plan.stage.name}: {name} on {split}", columns, rows, result.notes)

    def _draw(self, best_step: int | None) -> None:
        records = read_metrics(self.folder / names.METRICS)
        figure = plot_curves(records, title=f"{self.experiment.name}: {self.plan.stage.name}", best_step=best_step)
        _figure(figure, self.folder / names.CURVES)


class _Reporter:
    """The trainer's numbers into the log and onto the bar."""

    def __init__(self, log: MetricsLog, bar: ProgressBar, leads: bool) -> None:
        self._log, self._bar, self._leads = log, bar, leads

    def log(self, step: int, epoch: float, metrics: dict[str, float]) -> None:
        """Write the values of a step."""
        if self._leads:
            self._log.write(step, metrics, epoch)

    def advance(self, steps: int, **shown: float) -> None:
        """Move the bar."""
        self._bar.advance(steps, **shown)


def _figure(figure: Any, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    write_figure(figure, path)


def _result(values: dict[str, Any]) -> Result:
    intervals = {name: (low, high) for name, (low, high) in values["intervals"].items()}
    return Result(values["metrics"], intervals, values["notes"], values["counts"])

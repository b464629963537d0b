"""Timing a stage before it is run: three steps of the real model and objective on made-up cases."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from medvl.engine.asked import wanted_by
from medvl.engine.assemble import build_dataset, build_model, build_objective, build_views, data_spec
from medvl.engine.feature_plan import POOLED
from medvl.engine.hardware import make_fabric, settle
from medvl.engine.made_up import made_up_batch
from medvl.engine.optimization import optimization_of
from medvl.engine.plan import Plan
from medvl.engine.schedules import Horizon
from medvl.engine.trainable import Trainable
from medvl.engine.trainer import Trainer
from medvl.models.base import Batch
from medvl.models.tokenizer import Corpus
from medvl.tables.plan import StageRun

if TYPE_CHECKING:
    from lightning_fabric import Fabric

STEPS = 3
TOKENS = 32  # of a made-up text
LONG = Horizon(total_steps=10**6, steps_per_epoch=10**3)  # longer than any warm-up: a step costs the same at any rate


@dataclass(frozen=True)
class Timing:
    """Seconds of one optimiser step, of predicting `cases`, of computing features of theirs that are kept, and of
    scoring as many pairs of image and text."""

    step: float
    predict: float
    cases: int
    encode: float = 0.0
    pairs: float = 0.0


def kind_of(run: StageRun) -> str:
    """Equal for stages whose steps take equally long: all but rates, seeds, starts and budgets is the same."""
    values = run.plan.stage.plain()
    slots = [
        {key: value for key, value in values["model"][slot].items() if key not in ("init", "lr_scale")}
        for slot in run.plan.slots
    ]
    steps = [values["budget"].get(key) for key in ("batch_size", "accumulate")]
    optimizer = (values.get("optim") or {}).get("name")
    kind = [slots, values["objective"], values["views"], values["data"]["name"], steps, optimizer, run.device]
    return json.dumps(kind, sort_keys=True, default=str)


def time_stage(run: StageRun, threads: int) -> Timing:
    """One step to warm up, then three that are timed.

    Args:
        run: the stage; its pre-trained weights need not be there.
        threads: of torch, on the CPU.

    Raises:
        MedvlError: weights that cannot be found, or data that is not there.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _time(run.plan, *settle(run.experiment.device, run.experiment.precision))
    finally:
        torch.set_num_threads(before)


def _time(plan: Plan, device: str, precision: str) -> Timing:
    stage = plan.stage
    fabric = make_fabric(device, 1, precision)
    fabric.launch()
    data = data_spec(stage, build_dataset(stage))
    ones = (1,) * len(data.labels)
    data = replace(data, positives=ones, negatives=ones, cases=stage.budget.batch_size)
    model = build_model(stage, plan.size, Corpus(), only=plan.slots)
    trainable = Trainable(model, build_objective(stage, model, data)).to(fabric.device)
    micro = max(1, stage.budget.batch_size // stage.budget.accumulate)
    views = [(name, view) for name, view in build_views(stage).items() if name in plan.views]
    batches = [
        made_up_batch(views, data=data, cases=micro, tokens=TOKENS, device=fabric.device)
        for _ in range(stage.budget.accumulate)
    ]
    encode = 0.0
    if plan.keeps_features:
        encode = _passes(lambda: model(batches[0], (POOLED,)), trainable, fabric)
        batches = [_kept(batch, plan, model.width(POOLED)) for batch in batches]
    step = 0.0
    if stage.optim is not None and stage.budget.trains:
        optimization = optimization_of(stage, trainable, LONG)
        wrapped, optimizer = fabric.setup(trainable, optimization.optimizer)
        trainer = Trainer(
            fabric, wrapped, optimizer, optimization, stage.budget, None, STEPS + 1, STEPS + 1, None, _Silent(), Path()
        )
        trainable.train()
        step = _seconds(lambda: trainer.step(batches), STEPS, fabric.device)
    wanted, predict, pairs = wanted_by(plan.evaluators, trainable.objective), 0.0, 0.0
    if plan.evaluators:
        asked = (lambda: trainable.predict(batches[0], wanted)) if wanted else (lambda: trainable(batches[0]))
        predict = _passes(asked, trainable, fabric)
    if plan.pairing:
        with torch.no_grad(), fabric.autocast():
            halves = trainable.halves(batches[0])
        pairs = _passes(lambda: trainable.score_pairs(halves), trainable, fabric)
    return Timing(step, predict, micro, encode, pairs)


def _kept(batch: Batch, plan: Plan, width: int) -> Batch:
    """The same cases with features in place of their images."""
    pixels = {field for name in plan.views for field in build_views(plan.stage)[name].sizes(name)}
    features = torch.rand(len(batch["rows"]), width, device=batch["rows"].device)
    return {name: value for name, value in batch.items() if name not in pixels} | {POOLED: features}


def _passes(work: Callable[[], Any], trainable: Trainable, fabric: Fabric) -> float:
    """Seconds of work that needs no gradient."""
    trainable.eval()
    with torch.no_grad(), fabric.autocast():
        return _seconds(work, 1, fabric.device)


def _seconds(work: Callable[[], Any], times: int, device: torch.device) -> float:
    """Mean seconds of `work`, after once to warm up."""
    work()
    _settle(device)
    began = time.perf_counter()
    for _ in range(times):
        work()
    _settle(device)
    return (time.perf_counter() - began) / times


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class _Silent:
    """Steps that are timed are nobody's training."""

    def log(self, step: int, epoch: float, metrics: dict[str, float]) -> None:
        """Keep nothing."""

    def advance(self, steps: int, **shown: float) -> None:
        """Show nothing."""

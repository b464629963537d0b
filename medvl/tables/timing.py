"""Timing a stage before it is run: three steps of the real model and objective on made-up cases."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from medvl.config.experiment import Stage
from medvl.engine.assemble import build_dataset, build_model, build_objective, build_views, data_spec
from medvl.engine.check import Plan
from medvl.engine.hardware import make_fabric, settle
from medvl.engine.schedules import Horizon
from medvl.engine.trainable import Trainable
from medvl.engine.trainer import Trainer
from medvl.models.base import Batch
from medvl.models.tokenizer import Corpus
from medvl.tables.plan import StageRun

STEPS = 3
TOKENS = 32  # of a made-up text


@dataclass(frozen=True)
class Timing:
    """Seconds of one optimiser step, and of predicting one micro-batch of `cases`."""

    step: float
    predict: float
    cases: int


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
    batches = [made_up(stage, plan, len(data.labels), micro, fabric.device) for _ in range(stage.budget.accumulate)]
    step = 0.0
    if stage.optim is not None and stage.budget.steps != 0:
        parameters = [parameter for parameter in trainable.parameters() if parameter.requires_grad]
        optimization = stage.optim.build(parameters=parameters, horizon=Horizon(STEPS + 1, STEPS + 1))
        wrapped, optimizer = fabric.setup(trainable, optimization.optimizer)
        trainer = Trainer(
            fabric, wrapped, optimizer, optimization, stage.budget, None, STEPS + 1, STEPS + 1, None, _Silent(), Path()
        )
        trainable.train()
        step = _seconds(lambda: trainer.step(batches), STEPS, fabric.device)
    predict = 0.0
    if plan.evaluators:
        trainable.eval()
        with torch.no_grad(), fabric.autocast():
            predict = _seconds(lambda: trainable.predict(batches[0]), 1, fabric.device)
    return Timing(step, predict, micro)


def made_up(stage: Stage, plan: Plan, labels: int, cases: int, device: torch.device) -> Batch:
    """A batch of random images, words and labels, with the fields that a feeder gives."""
    views = build_views(stage)
    sides = {field: side for name in plan.views for field, side in views[name].sizes(name).items()}
    batch: Batch = {field: torch.rand(cases, 1, side, side, device=device) for field, side in sides.items()}
    batch["text.ids"] = torch.randint(5, 100, (cases, TOKENS), device=device)  # below are special tokens
    batch["text.mask"] = torch.ones(cases, TOKENS, dtype=torch.bool, device=device)
    batch["labels"] = torch.randint(2, (cases, labels), device=device).float()
    batch["rows"] = torch.arange(cases, device=device)
    return batch


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

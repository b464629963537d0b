"""A tiny stage around the component under test, built the way `medvl run` builds one, and batches for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from medvl.config.experiment import Stage
from medvl.config.resolve import resolve
from medvl.config.source import Origin, Tree
from medvl.engine.assemble import build_dataset, build_model, build_objective, build_views, data_spec
from medvl.engine.check import check_stage
from medvl.engine.plan import Plan
from medvl.engine.trainable import Trainable
from medvl.models.base import Batch
from medvl.models.tokenizer import Corpus
from medvl.plugins import Plugins

# of more than 25 words, so that ids up to 30 are there in a vocabulary of whole words too
TEXTS = (
    "cough and fever", "shortness of breath after surgery", "check the line", "chest pain on the left side",
    "known pneumonia, now worse; no trauma, rule out effusion",
)  # fmt: skip
IMAGE = {"name": "timm", "model": "test_resnet", "weights": "none"}
TEXT = {
    "name": "bert",
    "weights": "none",
    "layers": 1,
    "width": 32,
    "vocab_size": 128,
    "positions": 64,
    "max_length": 16,
}
FUSION = {"name": "concat", "width": 16}
SIZE = 32


@dataclass
class Workbench:
    """A checked stage on the built-in phantom; no data is read.

    Attributes:
        stage: data, views, model and objective, resolved.
        plan: what `medvl check` found out about it.
    """

    stage: Stage
    plan: Plan

    @classmethod
    def of(
        cls,
        plugins: Plugins,
        objective: dict[str, Any],
        model: dict[str, Any],
        views: Mapping[str, dict[str, Any]] = MappingProxyType({}),
    ) -> Workbench:
        """Around an objective, model slots and views, as they would stand in YAML; what is left out is tiny and plain.

        Raises:
            ConfigError: what `medvl check` would say.
        """
        names = (*_views(plugins, objective), "image")
        stage = {
            "data": {"name": "phantom", "patients": 8, "text": "indication"},
            "views": {name: {"name": "plain", "size": SIZE} for name in names} | dict(views),
            "model": {"image": IMAGE, "text": TEXT, "fusion": FUSION} | model,
            "objective": objective,
            "optim": {"name": "adamw", "lr": 1e-3},
            "budget": {"steps": 1},
        }
        origin = Origin("testkit", Path.cwd())
        tree = Tree({"medvl": 1, "name": "testkit", "stages": {"stage": stage}}, {(): [(None, origin)]})
        resolved = resolve(tree, plugins).stages["stage"]
        return cls(resolved, check_stage(resolved, {}))

    def build(self, seed: int = 0) -> Trainable:
        """Model and objective with random weights; the slots that the objective does not use are left out."""
        torch.manual_seed(seed)
        model = build_model(self.stage, SIZE, Corpus(texts=lambda: TEXTS * 8), only=self.plan.slots)
        data = data_spec(self.stage, build_dataset(self.stage))
        return Trainable(model, build_objective(self.stage, model, data))

    def batch(self, rows: int = 6, seed: int = 0, texts: int = 9) -> Batch:
        """What the stage would be fed and nothing more: a component that reads more than it declares fails.

        Args:
            rows: batch size B.
            seed: of all values.
            texts: token columns T; sample b has 3 + b real ones, at most T.
        """
        random = torch.Generator().manual_seed(seed)
        views = build_views(self.stage)
        sides = {field: side for name in self.plan.views for field, side in views[name].sizes(name).items()}
        batch: Batch = {field: torch.randn(rows, 1, side, side, generator=random) for field, side in sides.items()}
        if self.plan.reads_text:
            ids = torch.randint(5, 30, (rows, texts), generator=random)  # behind the five special tokens
            lengths = (3 + torch.arange(rows)).clamp(max=texts)
            ids[:, 0], ids[torch.arange(rows), lengths - 1] = 2, 3  # [CLS], [SEP] of a trained vocabulary
            mask = torch.arange(texts) < lengths[:, None]
            batch |= {"text.ids": ids * mask, "text.mask": mask}
        if self.plan.reads_labels:
            labels = self.stage.selection.chosen_labels(build_dataset(self.stage).labels)
            batch["labels"] = torch.randint(0, 2, (rows, len(labels)), generator=random).float()
        return batch


def _views(plugins: Plugins, objective: dict[str, Any]) -> list[str]:
    """The views that an objective reads, or where it is a sum of others, those that they read."""
    terms = (objective.get("terms") or {}).values()
    if terms:
        return [view for term in terms for view in _views(plugins, {"name": term} if isinstance(term, str) else term)]
    return list(plugins.get("objective", objective["name"]).load().views)  # type: ignore[attr-defined]


def train(trainable: Trainable, batches: list[Batch], lr: float = 1e-3) -> list[float]:
    """An optimiser step a batch, in the order of the engine; the summed loss of each."""
    trainable.train()
    optimizer = torch.optim.AdamW([p for p in trainable.parameters() if p.requires_grad], lr=lr)
    losses = []
    for batch in batches:
        trainable.objective.before_step(trainable.model)
        optimizer.zero_grad()
        loss = torch.stack(list(trainable(batch).values())).sum()
        loss.backward()
        optimizer.step()
        trainable.objective.after_step(trainable.model)
        losses.append(loss.item())
    return losses


@contextmanager
def evaluating(trainable: Trainable) -> Iterator[None]:
    """Evaluation mode, no gradient, and the same random numbers every time."""
    trainable.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield

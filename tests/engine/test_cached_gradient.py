"""A contrastive batch in parts has the gradients of the whole batch."""

import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import nn

from medvl.engine.cached_gradient import backward_compared
from medvl.engine.trainable import Trainable
from medvl.losses import chunked_clip
from medvl.objectives.base import Objective
from tests import small

CLIP = """
import torch
import torch.nn.functional as F
from torch import nn

import medvl


class TinyClip(medvl.Objective):
    needs = ("image.pooled", "text.pooled")
    compares = True

    def __init__(self, model: medvl.Model) -> None:
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(model.width(name), 8) for name in self.needs])
        self.log_scale = nn.Parameter(torch.tensor(1.0))

    def embed(self, model, batch):
        found = model(batch, self.needs)
        return {name: F.normalize(head(found[name]), dim=1) for name, head in zip(self.needs, self.heads)}

    def compare(self, embedded):
        logits = embedded["image.pooled"] @ embedded["text.pooled"].T * self.log_scale.exp()
        own = torch.arange(len(logits), device=logits.device)
        return {"clip": F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)}


@medvl.hookimpl
def medvl_register(registry):
    registry.register_objective("tiny_clip", TinyClip)
"""


class Toy(Objective):
    """CLIP over two linear towers, with a learned scale and dropout."""

    compares = True

    def __init__(self, dropout):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.scale = nn.Parameter(torch.tensor(4.0))
        self.seen = []

    def embed(self, model, batch):
        found = {name: F.normalize(self.dropout(model[name](batch[name])), dim=1) for name in ("one", "two")}
        self.seen.append(found["one"].detach().clone())
        return found

    def compare(self, embedded):
        one, two = embedded["one"], embedded["two"]
        return {"clip": chunked_clip(one, two, one, two, self.scale)}


def toy(dropout=0.0):
    torch.manual_seed(0)
    model = nn.ModuleDict({name: nn.Linear(5, 4) for name in ("one", "two")})
    return Trainable(model, Toy(dropout)), [{"one": torch.randn(3, 5), "two": torch.randn(3, 5)} for _ in range(4)]


def gradients(trainable):
    return {name: parameter.grad for name, parameter in trainable.named_parameters()}


@pytest.fixture(scope="module")
def fabric():
    return Fabric(accelerator="cpu", devices=1)


def test_gradients_of_parts_are_those_of_the_whole(fabric):
    trainable, parts = toy()
    losses = backward_compared(fabric, trainable, parts)
    found = gradients(trainable)
    whole, _ = toy()
    expected = whole({name: torch.cat([part[name] for part in parts]) for name in ("one", "two")})
    expected["clip"].backward()
    torch.testing.assert_close(losses["clip"], expected["clip"])
    for name, gradient in gradients(whole).items():
        assert gradient.abs().max() > 1e-4
        torch.testing.assert_close(found[name], gradient, rtol=1e-5, atol=1e-6)


def test_both_passes_drop_the_same(fabric):
    trainable, parts = toy(dropout=0.5)
    torch.manual_seed(1)
    backward_compared(fabric, trainable, parts)
    after = torch.rand(1)
    first, second = trainable.objective.seen[:4], trainable.objective.seen[4:]
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))
    assert not torch.equal(first[0] == 0, first[1] == 0)
    torch.manual_seed(1)
    for part in parts:
        trainable.objective.embed(trainable.model, part)
    assert torch.equal(torch.rand(1), after)


def test_a_run_in_micro_batches_ends_with_the_weights_of_whole_batches(tmp_path):
    """One step at a rate of 1 without momentum: weights differ by as much as gradients do."""
    plugin = tmp_path / "tiny_clip.py"
    plugin.write_text(CLIP)
    stage = {key: value for key, value in small.PLAIN_STAGE.items() if key not in ("stop", "evaluate")} | {
        "data": small.PHANTOM | {"text": "indication", "labels": "none"},
        "model": {key: small.PLAIN_STAGE["model"][key] for key in ("image", "text")},
        "objective": {"name": "tiny_clip"},
        "optim": {"name": "sgd", "lr": 1.0, "momentum": 0.0},
        "budget": {"steps": 1, "batch_size": 8},
    }
    path = small.write(tmp_path, small.experiment(only=stage))
    weights = []
    for override in ("only.budget.accumulate=1", "only.budget.accumulate=4", "only.optim.lr=0"):
        folder = small.run(path, override, plugin_files=(str(plugin),))["only"].folder
        weights.append(small.checkpoint(folder)["trainable"])
    whole, parts, still = weights

    def difference(other):
        return max(float((whole[name] - other[name]).abs().max()) for name in whole if whole[name].is_floating_point())

    assert difference(still) > 0.01
    assert difference(parts) < 1e-5

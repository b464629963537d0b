"""The suites refuse what is wrong: each objective here has one defect, and one check that must see it."""

import subprocess
import sys

import pytest
import torch

from medvl.testkit import FusionSuite, ObjectiveSuite

OBJECTIVES = '''
from typing import ClassVar
import torch
from torch import nn
import medvl


class Plain(medvl.Objective):
    """Pulls a projection of the image to one.

    Args:
        model: gives the image.
        width: D of the projection.
    """

    views: ClassVar[tuple[str, ...]] = ("image",)
    needs = ("image.pooled",)

    def __init__(self, model: medvl.Model, *, width: int = 4) -> None:
        super().__init__()
        self.head = nn.Linear(model.width("image.pooled"), width)

    def values(self, model, batch):
        return self.head(model(batch, self.needs)["image.pooled"])

    def forward(self, model, batch):
        return {"plain": (self.values(model, batch) - 1).square().mean()}


class Untyped(Plain):
    """Says nothing of its parameter."""

    def __init__(self, model: medvl.Model, *, depth=4) -> None:
        super().__init__(model)


class NoScalar(Plain):
    """A loss a case."""

    def forward(self, model, batch):
        return {"plain": self.values(model, batch).square().mean(1)}


class NotFinite(Plain):
    """Divides by zero."""

    def forward(self, model, batch):
        return {"plain": self.values(model, batch).mean() / (batch["image"].sum() * 0)}


class Detached(Plain):
    """No gradient reaches the encoder."""

    def values(self, model, batch):
        return self.head(model(batch, self.needs)["image.pooled"].detach())


class Rises(Plain):
    """A loss that counts how often any of its kind was called."""

    def forward(self, model, batch):
        Rises.calls += 1
        return {"plain": super().forward(model, batch)["plain"] + Rises.calls}

    calls = 0


class Forgets(Plain):
    """Keeps its past outside of buffers."""

    past = 0.0

    def forward(self, model, batch):
        loss = super().forward(model, batch)["plain"]
        return {"plain": loss + self.past}

    def after_step(self, model):
        self.past = self.past + 1.0


class Traces(Plain):
    """Counts its evaluations."""

    def __init__(self, model: medvl.Model) -> None:
        super().__init__(model)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, model, batch):
        self.count += 1
        return super().forward(model, batch)


class ReadsMore(Plain):
    """Reads rows without a word."""

    def forward(self, model, batch):
        return {"plain": super().forward(model, batch)["plain"] + batch["rows"].float().mean()}


@medvl.hookimpl
def medvl_register(registry):
    for made in (Plain, Untyped, NoScalar, NotFinite, Detached, Rises, Forgets, Traces, ReadsMore):
        registry.register_objective(made.__name__.lower(), made)
'''
CHECKS = [name for name in dir(ObjectiveSuite) if name.startswith("test_")]


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "defects.py").write_text(OBJECTIVES)

    def made(objective: str) -> ObjectiveSuite:
        return type("Suite", (ObjectiveSuite,), {"name": objective, "plugin": tmp_path / "defects.py"})()

    return made


@pytest.mark.parametrize("check", CHECKS)
def test_a_sound_objective_passes(check, suite):
    getattr(suite("plain"), check)()


@pytest.mark.parametrize(
    ("defect", "check"),
    [
        ("untyped", "test_it_is_described"),
        ("untyped", "test_its_parameters_are_typed"),
        ("noscalar", "test_it_fits_its_model_on_the_meta_device"),
        ("notfinite", "test_losses_are_finite_scalars"),
        ("notfinite", "test_training_lowers_the_loss"),
        ("detached", "test_gradients_are_finite_and_reach_every_slot"),
        ("rises", "test_training_lowers_the_loss"),
        ("rises", "test_a_seed_decides_everything"),
        ("forgets", "test_its_state_is_all_that_it_remembers"),
        ("traces", "test_evaluation_leaves_no_trace"),
        ("readsmore", "test_losses_are_finite_scalars"),
    ],
)
def test_a_defect_is_seen(defect, check, suite):
    with pytest.raises(Exception):  # noqa: B017  # whatever it is, the author's test fails
        getattr(suite(defect), check)()


LEAKY = '''
import torch
from torch import nn
import medvl


class Leaky(medvl.Fusion):
    """Averages over padding, and over the batch."""

    needs = ("image.pooled", "text.tokens")

    def __init__(self, model: medvl.Model) -> None:
        super().__init__()
        self.width = model.width("text.tokens")

    def forward(self, model, features):
        text = features["text.tokens"].mean(1)
        return {"joint.cls": text - text.mean(0)}


@medvl.hookimpl
def medvl_register(registry):
    registry.register_fusion("leaky", Leaky)
'''


@pytest.mark.parametrize("check", ["test_padding_does_not_matter", "test_samples_do_not_see_each_other"])
def test_a_fusion_that_mixes_what_it_must_not_is_seen(check, tmp_path):
    (tmp_path / "leaks.py").write_text(LEAKY)
    suite = type("Suite", (FusionSuite,), {"name": "leaky", "plugin": tmp_path / "leaks.py"})()
    with pytest.raises(AssertionError):
        getattr(suite, check)()


def test_the_pytest_plugin_imports_no_torch():
    code = "import sys, medvl.testkit, medvl.testkit.plugin; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_only_public_names_are_there():
    import medvl.testkit

    with pytest.raises(AttributeError, match="known: EncoderSuite, FusionSuite, ObjectiveSuite"):
        _ = medvl.testkit.Nothing
    assert torch.is_grad_enabled()  # the suites leave no setting behind

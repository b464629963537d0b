"""The objectives of the SLIP variants: formulas of the paper and of the released code, heads, and any mix of them."""

import math

import pytest
import torch
from medvl_slip.heads import ResidualHead, expander, mlp
from medvl_slip.language_image import CLIP, ConVIRT
from medvl_slip.released import HalfNormalised
from medvl_slip.simclr import SimCLR
from medvl_slip.vicreg import VICReg
from torch import nn

import medvl
from medvl.losses import CLIPLoss
from medvl.models.base import Model
from medvl.objectives.total import Total
from medvl.plugins import Plugins
from medvl.testkit.workbench import Workbench, train
from tests.golden_fixtures import golden
from tests.losses.vectors import dot
from tests.plugins.moco_toy import Flat
from tests.plugins.slip_toy import model, pairs

HEADS = {"clip": {"dim": 8}, "convirt": {"dim": 8}, "simclr": {"hidden": 8, "dim": 4}, "vicreg": {"dim": 16}}


class Identity(nn.Module):
    """An encoder whose features are what the batch holds, so that inputs of a fixture reach the loss as they are."""

    def forward(self, batch, needs):
        return batch if "image" not in batch else {"image.pooled": batch["image"]}

    def width(self, name):
        return 1


@pytest.fixture(params=["slip_clip_simclr_losses"])
def slip(request):
    return golden(request.param)


@pytest.fixture(params=["vicreg_loss"])
def vicreg(request):
    return golden(request.param)


@pytest.fixture(params=["huang_author_losses"])
def huang(request):
    return golden(request.param)


def without_heads(objective: medvl.Objective) -> medvl.Objective:
    for name in ("image_head", "text_head", "head"):
        if hasattr(objective, name):
            setattr(objective, name, nn.Identity())
    return objective


def on_features(objective: medvl.Objective, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The objective's loss where the heads' outputs are these."""
    views = objective.views if len(objective.views) == 2 else objective.needs
    batch = {views[0]: first, views[1]: second}
    return torch.stack(list(without_heads(objective)(Identity(), batch).values())).sum()


def check(fixture, objective, sides: tuple[str, str], loss: str, gradients: tuple[str, str]) -> None:
    first, second = (fixture.tensors[f"in.{side}"].clone().requires_grad_() for side in sides)
    value = on_features(objective, first, second)
    fixture.close(value, loss)
    value.backward()
    fixture.close(first.grad, gradients[0])
    fixture.close(second.grad, gradients[1])


def test_golden_slip_is_the_total_of_clip_and_simclr(slip):
    config = slip.config
    clip = CLIP(Identity(), temperature=1 / config["clip_scale"])
    simclr = SimCLR(Identity(), temperature=config["simclr_temperature"])
    with torch.no_grad():
        clip.log_scale.copy_(slip.tensors["in.logit_scale_log"])
    names = {"image.pooled": "image", "text.pooled": "text", "view_a": "aug1", "view_b": "aug2"}
    inputs = {key: slip.tensors[f"in.{name}_embed"].clone().requires_grad_() for key, name in names.items()}
    total = Total(
        terms={"clip": without_heads(clip), "ssl": without_heads(simclr)}, weights={"ssl": config["ssl_scale"]}
    )
    losses = total(Identity(), inputs)
    slip.close(losses["clip.clip"], "out.slip.clip_loss")
    slip.close(losses["ssl.nt_xent"], "out.slip.ssl_loss")
    loss = torch.stack(list(losses.values())).sum()
    slip.close(loss, "out.slip.loss")
    loss.backward()
    for key, name in names.items():
        slip.close(inputs[key].grad, f"out.slip.grad.{name}_embed")
    slip.close(clip.log_scale.grad, "out.slip.grad.logit_scale_log")


def test_golden_released_clip(huang):
    clip = CLIP(Identity(), preset="released", temperature=huang.config["temperature_clip_moco"])
    check(huang, clip, ("image", "text"), "out.clip", ("out.grad.clip.0", "out.grad.clip.1"))
    assert not list(clip.parameters()), "the released scale is not learned"


def test_golden_convirt(huang):
    config = huang.config
    convirt = ConVIRT(Identity(), temperature=config["temperature_convirt_simclr"], image_share=config["alpha"])
    check(huang, convirt, ("image", "text"), "out.convirt", ("out.grad.convirt.0", "out.grad.convirt.1"))


def test_golden_simclr(huang):
    simclr = SimCLR(Identity(), temperature=huang.config["temperature_convirt_simclr"])
    check(huang, simclr, ("view1", "view2"), "out.simclr", ("out.grad.simclr.0", "out.grad.simclr.1"))


def test_golden_released_vicreg(huang):
    invariance, variance, covariance = huang.config["vicreg"]
    objective = VICReg(
        Identity(), preset="released", dim=2, invariance=invariance, variance=variance, covariance=covariance
    )
    first, second = (0.6 * huang.tensors[f"in.view{i}"] for i in (1, 2))  # the fixture's losses are of scaled views
    first.requires_grad_(), second.requires_grad_()
    loss = on_features(objective, first, second)
    huang.close(loss, "out.vicreg")
    term = objective.loss.terms(first, second)["variance"] / variance
    huang.close(term, "out.vicreg_variance_term")
    loss.backward()
    huang.close(first.grad, "out.grad.vicreg.0")
    huang.close(second.grad, "out.grad.vicreg.1")


def test_golden_reference_vicreg(vicreg):
    config = vicreg.config
    objective = VICReg(
        Identity(), preset="reference", dim=2, invariance=config["sim_coeff"], variance=config["std_coeff"],
        covariance=config["cov_coeff"],
    )  # fmt: skip
    check(vicreg, objective, ("x", "y"), "out.total", ("out.grad.total.x", "out.grad.total.y"))


def test_golden_heads(huang):
    width, dim = huang.config["head"]
    for name, head in {"clip_head": ResidualHead(width, dim), "convirt_head": mlp(width, dim, dim, norm=False)}.items():
        state = huang.part(f"state.{name}")
        if name == "convirt_head":  # the fixture names its two layers
            state = {key.replace("projection", "0").replace("fc", "2"): value for key, value in state.items()}
        head.load_state_dict(state)
        huang.close(head.eval()(huang.tensors[f"in.{name}.features"]), f"out.{name}")


def test_golden_expander(vicreg):
    state = vicreg.part("state.projector")
    width, hidden = state["0.weight"].shape[::-1]
    head = expander(width, hidden)
    head[-1] = nn.Linear(hidden, len(state["6.weight"]), bias=False)  # the fixture's last layer is of another width
    head.load_state_dict(state)
    projected = [head(vicreg.tensors[f"in.features_{side}"]) for side in "xy"]
    vicreg.close(projected[0], "out.projected_x")
    vicreg.close(projected[1], "out.projected_y")
    for name in vicreg.part("out.projector_after"):
        vicreg.close(head.state_dict()[name], f"out.projector_after.{name}")
    config = vicreg.config
    loss = medvl.losses.VICReg(
        invariance=config["sim_coeff"], variance=config["std_coeff"], covariance=config["cov_coeff"]
    )(*projected)
    vicreg.close(loss, "out.total_through_projector")
    loss.backward()
    vicreg.close(head[0].weight.grad, "out.grad.projector.0.weight")
    vicreg.close(head[-1].weight.grad, "out.grad.projector.last.weight")


def test_the_released_clip_equals_its_equation_written_out():
    generator = torch.Generator().manual_seed(0)
    image, text = (torch.randn(4, 3, generator=generator) for _ in range(2))

    def one_way(these, those, scale):
        total = 0.0
        for i, anchor in enumerate(these):
            length = math.sqrt(dot(anchor, anchor))
            values = [math.exp(scale * dot(anchor, other) / length) for other in those]
            total -= math.log(values[i] / sum(values)) / len(these)
        return total

    expected = (one_way(image, text, 2.0) + one_way(text, image, 2.0)) / 2
    assert HalfNormalised()(image, text, 2.0).item() == pytest.approx(expected, rel=1e-5)


def test_the_printed_vicreg_adds_both_variances_whole():
    generator = torch.Generator().manual_seed(0)
    views = [0.5 * torch.randn(6, 5, generator=generator) for _ in range(2)]
    terms = {preset: VICReg(Identity(), preset=preset, dim=2).loss.terms(*views) for preset in ("paper", "reference")}
    torch.testing.assert_close(terms["paper"]["variance"], 2 * terms["reference"]["variance"])
    assert torch.equal(terms["paper"]["covariance"], terms["reference"]["covariance"])


@pytest.mark.parametrize(
    ("settings", "image", "text", "learned"),
    [
        ({}, nn.BatchNorm1d, nn.BatchNorm1d, True),
        ({"preset": "released"}, nn.ReLU, ResidualHead, False),
        ({"preset": "released", "image_head": "residual", "learned": True}, ResidualHead, ResidualHead, True),
        ({"learned": False}, nn.BatchNorm1d, nn.BatchNorm1d, False),
    ],
)
def test_presets_of_clip_and_what_overrides_them(settings, image, text, learned):
    clip = CLIP(model(), dim=8, **settings)
    for head, expected in ((clip.image_head, image), (clip.text_head, text)):
        assert isinstance(head if expected is ResidualHead else head[1], expected)
    assert ("log_scale" in dict(clip.named_parameters())) is learned
    assert "log_scale" in clip.state_dict()


def test_a_learned_scale_stays_between_1_and_100_and_a_fixed_one_does_not_move():
    clip = CLIP(model(), dim=8)
    assert clip.log_scale.exp().item() == pytest.approx(1 / 0.07)
    for value, kept in ((9.0, math.log(100)), (-2.0, 0.0), (1.5, 1.5)):
        with torch.no_grad():
            clip.log_scale.fill_(value)
        clip.after_step(None)
        assert clip.log_scale.item() == pytest.approx(kept)
    fixed = CLIP(model(), dim=8, learned=False, temperature=0.1)
    fixed.after_step(None)
    assert fixed.log_scale.exp().item() == pytest.approx(10)


@pytest.mark.parametrize(("preset", "norms"), [("paper", 1), ("released", 0)])
def test_heads_of_convirt(preset, norms):
    convirt = ConVIRT(model(), preset=preset, dim=8)
    for head in (convirt.image_head, convirt.text_head):
        assert sum(isinstance(layer, nn.BatchNorm1d) for layer in head) == norms
    assert isinstance(convirt.loss, CLIPLoss)
    assert convirt.loss.image_share == 0.75


def test_published_widths_of_the_heads():
    image = Model(image=Flat(16, width=32))
    with torch.device("meta"):
        simclr, vicreg = SimCLR(image).head, VICReg(image).head
    assert [tuple(p.shape) for p in simclr.parameters() if p.ndim == 2] == [(512, 32), (128, 512)]
    assert simclr[0].bias is None
    assert [tuple(p.shape) for p in vicreg.parameters() if p.ndim == 2] == [(8192, 32), (8192, 8192), (8192, 8192)]
    assert vicreg[-1].bias is None


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CLIP(model(), temperature=0.001), "at least 0.01"),
        (lambda: ConVIRT(model(), temperature=0.0), "above 0"),
        (lambda: ConVIRT(model(), image_share=2.0), "between 0 and 1"),
        (lambda: SimCLR(model(), temperature=-1.0), "above 0"),
        (lambda: VICReg(model(), dim=2, variance=-1.0), "at least 0"),
        (lambda: CLIP(model(), preset="released", chunk=0), "chunk must be at least 1"),
    ],
)
def test_values_out_of_range_are_refused(build, message):
    with pytest.raises(medvl.ConfigError, match=message):
        build()


@pytest.mark.parametrize("settings", [{}, {"preset": "released"}])
def test_images_and_texts_share_a_space_of_unit_vectors(settings):
    encoders, batch = model(), pairs(5)
    clip = CLIP(encoders, dim=8, **settings).eval()
    assert clip.aligns
    image = clip.embed_images(encoders, {"image": batch["image"]})
    text = clip.embed_texts(encoders, {name: batch[name] for name in ("text.ids", "text.mask")})
    for vectors in (image, text):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))
    if not settings:
        expected = CLIPLoss()(image, text, clip.log_scale.exp())
        torch.testing.assert_close(clip(encoders, batch)["clip"], expected)


MOCO = {"name": "moco", "queue_size": 12, "momentum": 0.9, "dim": 8}


@pytest.mark.parametrize("ssl", ["simclr", "vicreg", "moco"])
@pytest.mark.parametrize("language", ["clip", "convirt"])
def test_the_six_joint_methods_are_totals(language, ssl):
    """Table 1 of Huang 2023, last six rows: encoders shared, gradients of both terms, no class for a pair."""
    terms = {
        "language_image": {"name": language} | HEADS[language],
        "self_supervised": MOCO if ssl == "moco" else {"name": ssl} | HEADS[ssl],
    }
    bench = Workbench.of(Plugins(), {"name": "total", "terms": terms}, {})
    assert bench.plan.views == ("image", *(("query", "key") if ssl == "moco" else ("view_a", "view_b")))
    trainable = bench.build()
    losses = train(trainable, [bench.batch()] * 2)
    assert all(math.isfinite(loss) for loss in losses)
    exports = trainable.objective.exports(trainable.model)
    assert {"image", "text", "language_image.image_projection", "self_supervised.projection"} <= set(exports)

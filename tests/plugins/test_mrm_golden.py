"""What the authors' code computes, in both readings of the loss."""

import pytest
import torch
from medvl_mrm.pixels import normalised, pixels_of
from medvl_mrm.released import NAMES

from medvl.data import warp, warp_cpu
from tests.golden_fixtures import golden
from tests.plugins.mrm_model import build

STEM = "mrm_pretrain_forward"


@pytest.fixture(params=[STEM], scope="module")
def fixture(request):
    return golden(request.param)


def batch(fixture):
    return {
        "image": warp.halved(fixture.tensors["in.image"], antialias=False),
        "image_high": fixture.tensors["in.image"],
        "text.ids": fixture.tensors["in.labels"],
        "text.mask": fixture.tensors["in.attention_mask"].bool(),
    }


def dealt(fixture):
    kept = fixture.config["kept_patches"]
    order = fixture.tensors["in.noise"].argsort(1)
    return order[:, :kept], order[:, kept:]


def given_draws(monkeypatch, fixture, objective):
    """The fixture's removed patches and hidden words in place of drawn ones."""
    ids = fixture.tensors["in.ids"]
    hidden = fixture.tensors["alt.labels_masked_only"] >= 0
    monkeypatch.setattr(objective, "split", lambda *given: dealt(fixture))
    monkeypatch.setattr(objective, "hide_words", lambda *given: (ids, hidden))


def at(values, places):
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[2]))


def test_the_small_image_is_halved_without_antialiasing(fixture):
    high = fixture.tensors["in.image"]
    fixture.close(warp.halved(high, antialias=False), "out.image_low")
    gray = warp_cpu.halved(high[:, :1].contiguous(), antialias=False)
    torch.testing.assert_close(gray, fixture.tensors["out.image_low"][:, :1], atol=1e-5, rtol=1e-4)


def test_kept_patches_are_encoded_in_their_order(fixture):
    model, _ = build(fixture)
    kept, removed = dealt(fixture)
    fixture.close(model.image.masked(batch(fixture)["image"], kept), "out.latent")
    assert fixture.tensors["out.mask"].gather(1, removed).all()
    assert not fixture.tensors["out.mask"].gather(1, kept).any()


def test_targets_are_patches_by_row_column_and_channel(fixture):
    high = fixture.tensors["in.image"]
    everything = torch.arange(fixture.config["patches"]).expand(len(high), -1)
    pixels = pixels_of(high, 2 * fixture.config["patch_size"], everything, 3)
    fixture.close(pixels, "out.target_raw")
    fixture.close(normalised(pixels), "out.target_normalised")


def test_removed_patches_are_predicted(fixture):
    _, objective = build(fixture)
    kept, removed = dealt(fixture)
    restored = objective.restore(fixture.tensors["out.latent"], kept, removed)
    expected = at(fixture.tensors["out.pred"], removed)
    torch.testing.assert_close(restored, expected, atol=1e-5, rtol=1e-4)


def test_the_report_decoder_reads_the_global_feature(fixture):
    model, objective = build(fixture)
    patches = fixture.tensors["out.latent"][:, 1:]
    vectors = objective.pooled(patches, objective.report_projection)
    added = fixture.tensors["out.report_fused"] - fixture.tensors["out.report_token_embeddings"]
    torch.testing.assert_close(vectors[:, None].expand_as(added), added, atol=1e-5, rtol=1e-4)
    hidden = model.text.conditioned(
        fixture.tensors["in.ids"], fixture.tensors["in.attention_mask"].bool(),
        vectors[:, None].expand_as(added), padding=True,
    )  # fmt: skip
    fixture.close(hidden, "out.report_hidden")
    fixture.close(objective.vocabulary_head(hidden, model.text.table), "out.report_logits")


def test_losses_and_gradients(fixture, monkeypatch):
    model, objective = build(fixture)
    given_draws(monkeypatch, fixture, objective)
    losses = objective(model, batch(fixture))
    fixture.close(losses["image"], "out.loss_mim")
    fixture.close(losses["report"], "out.loss_mlm")
    total = losses["image"] + losses["report"]
    fixture.close(total, "out.loss_total")
    total.backward()
    modules = objective.exports(model)
    compared = 0
    for name in fixture.part("out"):
        if not name.startswith("grad."):
            continue
        their = name.removeprefix("grad.")
        part, own = NAMES.ours([their])[their]
        fixture.close(modules[part].get_parameter(own).grad, f"out.{name}")
        compared += 1
    assert compared == sum(name.startswith("grad.") for name in fixture.part("out")) > 10


def test_losses_of_hidden_words_alone_and_of_plain_pixels(fixture, monkeypatch):
    model, objective = build(fixture, score="hidden", normalise_targets=False)
    given_draws(monkeypatch, fixture, objective)
    losses = objective(model, batch(fixture))
    fixture.close(losses["report"], "alt.loss_mlm_masked_only")
    fixture.close(losses["image"], "alt.loss_mim_raw_pixels")

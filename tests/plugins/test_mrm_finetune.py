"""Fine-tuning after MRM: the mean of patches, and a normalisation that starts afresh."""

import pytest
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import nn

import medvl
from medvl.engine.start import may_lack
from medvl.errors import WeightsError
from medvl.models.timm_encoder import TimmEncoder
from medvl.models.weights import load_weights, save_weights
from tests.golden_fixtures import golden

STEM = "mrm_finetune_vit"


def test_pooling_is_that_of_the_authors():
    fixture = golden(STEM)
    config = fixture.config
    encoder = TimmEncoder(32, model="test_vit", pool="mean")
    pool = encoder.net.global_pool
    encoder.net = VisionTransformer(  # of the fixture's sizes, and for colours
        config["img_size"], config["patch_size"], embed_dim=config["embed_dim"], depth=config["depth"],
        num_heads=config["num_heads"], mlp_ratio=config["mlp_ratio"], num_classes=0, global_pool=pool,
    )  # fmt: skip
    head = nn.Linear(config["embed_dim"], config["num_classes"])
    state = fixture.part("state")
    head.load_state_dict({name: state.pop(f"head.{name}") for name in ("weight", "bias")})
    encoder.net.load_state_dict(state)
    encoder.eval()
    features = encoder(fixture.tensors["in.image"])["pooled"]
    fixture.close(features, "out.features")
    logits = head(features)
    fixture.close(logits, "out.logits")
    loss = F.binary_cross_entropy_with_logits(logits, fixture.tensors["in.labels"])
    fixture.close(loss, "out.loss")
    loss.backward()
    fixture.close(head.weight.grad, "out.grad.head.weight")
    fixture.close(encoder.net.pos_embed.grad, "out.grad.pos_embed")
    fixture.close(encoder.net.fc_norm.weight.grad, "out.grad.fc_norm.weight")


@torch.no_grad()
def test_the_mean_is_of_patches_and_is_normalised_behind():
    encoder = TimmEncoder(32, model="test_vit", pool="mean").eval()
    images = torch.randn(2, 1, 32, 32)
    found = encoder(images, ("tokens", "pooled"))
    torch.testing.assert_close(found["pooled"], encoder.net.fc_norm(found["tokens"].mean(1)))
    assert isinstance(encoder.net.norm, nn.Identity)


def test_the_new_normalisation_starts_afresh_and_the_rest_does_not(tmp_path):
    torch.manual_seed(0)
    earlier, fresh = TimmEncoder(32, model="test_vit"), TimmEncoder(32, model="test_vit", pool="mean")
    state = earlier.state_dict()
    coverage = load_weights(fresh, state, source="earlier", expected=1.0, may_lack=may_lack(fresh))
    assert set(coverage.unexpected) == {"net.norm.weight", "net.norm.bias"} and not coverage.missing
    assert fresh.net.blocks[0].mlp.fc1.weight.equal(earlier.net.blocks[0].mlp.fc1.weight)
    with pytest.raises(WeightsError):
        load_weights(fresh, state, source="earlier", expected=1.0)
    save_weights(earlier, tmp_path / "image.safetensors")
    started = TimmEncoder(32, model="test_vit", pool="mean", weights=str(tmp_path / "image.safetensors"), expected=1.0)
    assert started.net.cls_token.equal(earlier.net.cls_token)
    # where there is one, it is taken over
    nn.init.constant_(fresh.net.fc_norm.weight, 3.0)
    load_weights(started, fresh.state_dict(), source="later", expected=1.0, may_lack=may_lack(started))
    assert started.net.fc_norm.weight.eq(3).all()


def test_other_families_have_no_patches_to_average():
    with pytest.raises(medvl.ConfigError, match="'test_resnet', no vision transformer"):
        TimmEncoder(32, model="test_resnet", pool="mean")
    with pytest.raises(medvl.ConfigError, match="'test_resnet' has no table of positions"):
        TimmEncoder(32, model="test_resnet", positions="sincos")


def test_fixed_positions_stay_fixed():
    encoder = TimmEncoder(64, model="vit_tiny_patch16_224", positions="sincos")
    table = encoder.net.pos_embed
    assert not table.requires_grad and not table[0, 0].any()
    assert table[0, 1:].equal(medvl.sincos_positions(192, (4, 4)))
    slow = TimmEncoder(64, model="vit_tiny_patch16_224", positions="sincos_quarter").net.pos_embed
    assert slow[0, 1:].equal(medvl.sincos_positions(192, (4, 4), exponent=0.25))

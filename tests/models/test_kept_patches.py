"""Kept patches are what they would be in a full pass in which no one sees the others."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from medvl.models.kept_patches import encode_kept
from medvl.models.timm_encoder import TimmEncoder

# class and register tokens, none of them, positions that leave them out, a norm in front, layer scale
NETS = {
    "vit_tiny_patch16_224": 64,
    "vit_small_patch14_dinov2": 56,
    "vit_small_patch14_reg4_dinov2": 56,
    "deit_tiny_distilled_patch16_224": 64,
    "test_vit2": 64,
    "test_vit4": 64,
}


def made(model, size):
    torch.manual_seed(0)
    encoder = TimmEncoder(size, model=model).eval()
    with torch.no_grad():
        for weights in encoder.parameters():
            weights.add_(
                0.05 * torch.randn_like(weights)
            )  # no table of zeros, no layer scale that hides what it scales
    encoder.net.blocks = encoder.net.blocks[:2]
    keep = torch.stack([torch.randperm(encoder.tokens)[:5] for _ in range(3)])
    return encoder, torch.randn(3, 1, size, size), keep


def masked_by_attention(net, images, keep):
    """The full pass, in which the removed patches are there and no one attends to them."""
    tokens = net.norm_pre(net._pos_embed(net.patch_embed(images)))
    first = net.num_prefix_tokens
    seen = torch.zeros(len(keep), tokens.shape[1], dtype=torch.bool)
    seen[:, :first] = True
    seen.scatter_(1, keep + first, True)
    for block in net.blocks:
        tokens = block(tokens, attn_mask=seen[:, None, None])
    tokens = net.norm(tokens)
    patches = tokens[:, first:].gather(1, keep[..., None].expand(-1, -1, tokens.shape[2]))
    return torch.cat([tokens[:, :first], patches], 1)


@pytest.mark.parametrize("model", NETS)
@torch.no_grad()
def test_removed_patches_are_not_seen(model):
    encoder, images, keep = made(model, NETS[model])
    assert "masked_tokens" in encoder.capabilities
    assert encoder.patch == NETS[model] // encoder.grid[0]
    found = encoder.masked(images, keep)
    assert found.shape == (3, encoder.net.num_prefix_tokens + 5, encoder.tokens_width)
    torch.testing.assert_close(found, masked_by_attention(encoder.net, images, keep), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_all_patches_kept_are_a_full_pass():
    encoder, images, _ = made("vit_tiny_patch16_224", 64)
    everything = torch.arange(16).expand(3, -1)
    full = encoder.net.forward_features(images)
    torch.testing.assert_close(encoder.masked(images, everything), full, atol=1e-5, rtol=1e-4)
    backwards = encoder.masked(images, everything.flip(1))
    torch.testing.assert_close(backwards[:, 1:].flip(1), full[:, 1:], atol=1e-5, rtol=1e-4)


def test_gradients_reach_the_embedding_through_kept_patches_alone():
    encoder, images, keep = made("vit_tiny_patch16_224", 64)
    images.requires_grad_()
    encoder.masked(images, keep).square().sum().backward()
    reached = images.grad.view(3, 4, 16, 4, 16).abs().sum((2, 4)).flatten(1) > 0
    assert reached.equal(torch.zeros(3, 16, dtype=torch.bool).scatter_(1, keep, True))
    assert encoder.net.patch_embed.proj.weight.grad.any() and encoder.net.pos_embed.grad.any()


def test_a_quarter_of_the_patches_costs_a_quarter():
    with torch.device("meta"):
        encoder = TimmEncoder(224, model="vit_tiny_patch16_224")
        images, keep = torch.empty(2, 1, 224, 224), torch.zeros(2, 49, dtype=torch.long)
    counts = []
    for run in (lambda: encoder.net.forward_features(images), lambda: encode_kept(encoder.net, images, keep)):
        with FlopCounterMode(display=False) as counter:
            run()
        counts.append(counter.get_total_flops())
    assert counts[1] < 0.26 * counts[0]


def test_other_families_do_not_have_it():
    for model in ("test_resnet", "swin_tiny_patch4_window7_224", "vit_tiny_r_s16_p8_224"):
        encoder = TimmEncoder(64, model=model)
        assert "masked_tokens" not in encoder.capabilities and encoder.patch is None

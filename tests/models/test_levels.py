"""Maps of several depths are timm's own, and blocks go from the input to the output."""

import pytest
import torch

from medvl.errors import ConfigError
from medvl.models.timm_encoder import TimmEncoder

PYRAMIDS = ["resnet18", "densenet121", "swin_tiny_patch4_window7_224", "mobilenetv3_small_100", "convnext_atto"]


@pytest.mark.parametrize("name", [*PYRAMIDS, "vit_tiny_patch16_224"])
def test_every_family_says_what_its_levels_are(name):
    with torch.device("meta"):
        encoder = TimmEncoder(224, model=name)
        told = {feature.name: feature for feature in encoder.features() if "level" in feature.name}
        found = encoder(torch.empty(2, 1, 224, 224), {name.removeprefix("image.") for name in told})
    assert len(told) == 4
    for name, feature in told.items():
        assert found[name.removeprefix("image.")].shape == (2, feature.width, *feature.grid)
    sides = [feature.grid[0] for feature in told.values()]
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "vit_tiny_patch16_224", "convnext_atto"])
def test_asking_for_levels_changes_no_other_feature(name):
    encoder = TimmEncoder(64, model=name).eval()
    images = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        alone = encoder(images, {"tokens", "pooled"})
        with_levels = encoder(images, {"tokens", "pooled", "level2", "level4"})
    for name in ("tokens", "pooled"):
        torch.testing.assert_close(with_levels[name], alone[name])
    assert set(with_levels) == {"tokens", "pooled", "level2", "level4"}


def test_chosen_blocks_of_a_vit_are_those():
    encoder = TimmEncoder(32, model="vit_tiny_patch16_224", levels=(3, 5, 7, 11)).eval()
    images, seen = torch.randn(1, 1, 32, 32), []
    encoder.net.blocks[5].register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        found = encoder(images, {"level2"})["level2"]
    expected = seen[0][:, 1:].transpose(1, 2).unflatten(2, (2, 2))  # without the class token, not normalised
    torch.testing.assert_close(found, expected)


def test_usual_blocks_are_evenly_spaced():
    assert [level.index for level in TimmEncoder(32, model="vit_tiny_patch16_224").maps] == [2, 5, 8, 11]
    assert [level.index for level in TimmEncoder(32, model="resnet18").maps] == [1, 2, 3, 4]


@pytest.mark.parametrize("levels", [(3, 3), (5, 3), (0, 12), (-1, 3), (), (0, 1, 2, 3, 4)])
def test_levels_that_are_not_there_are_refused(levels):
    with pytest.raises(ConfigError, match=r"one to 4 rising numbers from 0 to 11 .* e.g. \[2, 5, 8, 11\]"):
        TimmEncoder(32, model="vit_tiny_patch16_224", levels=levels)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18"])
def test_blocks_hold_every_parameter_once_from_the_stem_on(name):
    encoder = TimmEncoder(32, model=name)
    names = {id(parameter): name for name, parameter in encoder.net.named_parameters()}
    blocks = [[names[id(parameter)] for parameter in block] for block in encoder.blocks()]
    assert sorted(name for block in blocks for name in block) == sorted(names.values())
    if name.startswith("vit"):
        assert len(blocks) == 13
        assert "pos_embed" in blocks[0] and "patch_embed.proj.weight" in blocks[0]
        assert all(name.startswith(f"blocks.{depth}.") for depth in range(11) for name in blocks[depth + 1])
        assert {name.partition(".")[0] for name in blocks[12]} == {"blocks", "norm"}
    else:
        assert blocks[0][0].startswith("conv1") and blocks[-1][0].startswith("layer4")

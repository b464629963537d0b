"""Grad-CAM on encoders of all kinds: against the formula, through class tokens, on frozen weights."""

import pytest
import torch
from torch import nn

from medvl.models.cells import Cells
from medvl.models.grad_cam import grad_cam
from medvl.models.timm_encoder import TimmEncoder

SIZE = 32
# a CNN; one that timm names a map behind a last normalisation of; tokens with a class token; mobile and modern CNNs
MODELS = ("test_resnet", "densenet121", "test_vit", "test_efficientnet", "test_convnext")


def classifier(model, feature="pooled", size=SIZE):
    torch.manual_seed(0)
    encoder = TimmEncoder(size, model=model).eval()
    width = encoder.pooled_width if feature == "pooled" else encoder.tokens_width
    head = nn.Linear(width, 3)

    def logits(images):
        found = encoder(images, (feature,))[feature]
        return head(found if feature == "pooled" else found.mean(1))

    return encoder, logits


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_encoder_gives_a_map_for_each_case_and_finding(model):
    encoder, logits = classifier(model, size=64)
    images = torch.randn(2, 1, 64, 64)
    cells = encoder.cells()
    assert cells is not None
    before = logits(images).detach()
    maps = torch.stack([grad_cam(cells, logits, images, torch.full((2,), finding)) for finding in range(3)])
    assert maps.shape == (3, 2, *encoder.grid) and maps.min() >= 0 and maps.max() > 0
    assert not torch.allclose(maps[0], maps[1])
    torch.testing.assert_close(logits(images), before)  # nothing stays hooked


def test_equals_the_formula_on_the_last_map_of_a_cnn():
    encoder, logits = classifier("test_resnet", "tokens")
    images = torch.randn(2, 1, SIZE, SIZE)
    seen = []
    handle = encoder.cells().layer.register_forward_hook(lambda module, inputs, out: seen.append(out))
    score = logits(images)
    handle.remove()
    gradients = torch.autograd.grad(score[0, 1] + score[1, 2], seen[0])[0]
    expected = (gradients.mean((2, 3), keepdim=True) * seen[0]).sum(1).relu()
    found = grad_cam(encoder.cells(), logits, images, torch.tensor([1, 2]))
    torch.testing.assert_close(found, expected.detach())


def test_frozen_weights_and_no_gradients_outside_change_nothing():
    encoder, logits = classifier("test_resnet")
    images, wanted = torch.randn(2, 1, SIZE, SIZE), torch.tensor([0, 2])
    expected = grad_cam(encoder.cells(), logits, images, wanted)
    encoder.requires_grad_(False)
    with torch.no_grad():
        found = grad_cam(encoder.cells(), logits, images, wanted)
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad


def test_maps_of_a_batch_are_those_of_its_cases_alone():
    encoder, logits = classifier("test_vit")
    images, wanted = torch.randn(3, 1, SIZE, SIZE), torch.tensor([0, 2, 1])
    together = grad_cam(encoder.cells(), logits, images, wanted)
    for case in range(3):
        alone = grad_cam(encoder.cells(), logits, images[case : case + 1], wanted[case : case + 1])
        torch.testing.assert_close(together[case : case + 1], alone, atol=1e-5, rtol=1e-4)


def test_a_transformer_whose_last_map_no_module_gives_tells_no_cells():
    encoder = TimmEncoder(64, model="coat_lite_tiny")
    assert encoder.net.feature_info[-1]["module"] == "serial_blocks4" and encoder.cells() is None


@pytest.mark.parametrize("prefix", [0, 2])
def test_tokens_are_laid_out_row_by_row_behind_what_stands_before_them(prefix):
    cells, output = Cells(nn.Identity(), (2, 3)), torch.randn(4, prefix + 6, 5)
    maps = cells.map_of(output)
    assert maps.shape == (4, 5, 2, 3)
    torch.testing.assert_close(maps[:, :, 1, 2], output[:, prefix + 5])
    torch.testing.assert_close(cells.output_of(maps, output), output)


def test_channels_may_come_last():
    cells, output = Cells(nn.Identity(), channels_last=True), torch.randn(4, 2, 3, 5)
    maps = cells.map_of(output)
    torch.testing.assert_close(maps[:, :, 1, 2], output[:, 1, 2])
    torch.testing.assert_close(cells.output_of(maps, output), output)


def test_the_brightest_cell_is_the_one_that_the_finding_is_read_from():
    encoder, _ = classifier("test_resnet", "tokens")
    images = torch.randn(1, 1, SIZE, SIZE)
    tokens = encoder(images, ("tokens",))["tokens"][0]  # (N, D)
    place = int(tokens.norm(dim=1).argmax())

    def logits(given):
        return (encoder(given, ("tokens",))["tokens"] @ tokens[place].detach()).amax(1, keepdim=True)

    found = grad_cam(encoder.cells(), logits, images, torch.tensor([0]))
    assert int(found.flatten().argmax()) == place

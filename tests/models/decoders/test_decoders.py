"""Every decoder makes a map of any encoder's features, whether they are a pyramid or of one size."""

import pytest
import torch

from medvl.contract import Feature
from medvl.errors import ConfigError
from medvl.models.base import ImageEncoder, Model
from medvl.models.decoders.fcn import Fcn
from medvl.models.decoders.fpn import Fpn
from medvl.models.decoders.linear import Linear
from medvl.models.decoders.mirror import Mirror
from medvl.models.decoders.pyramid import Pyramid
from medvl.models.decoders.upernet import UperNet
from medvl.models.timm_encoder import TimmEncoder

SIZE = 64


@pytest.fixture(scope="module", params=["test_resnet", "vit_tiny_patch16_224"])
def model(request):
    torch.manual_seed(0)
    return Model(image=TimmEncoder(SIZE, model=request.param)).eval()


def features(model, decoder, cases=2):
    generator = torch.Generator().manual_seed(1)
    return model({"image": torch.randn(cases, 1, SIZE, SIZE, generator=generator)}, decoder.needs)


MAKE = {
    "linear": Linear, "fcn": lambda model: Fcn(model, level=2, width=8), "fpn": lambda model: Fpn(model, width=8),
    "upernet": lambda model: UperNet(model, width=8), "mirror": lambda model: Mirror(model, stem=(8, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", MAKE)
def test_a_map_of_the_width_that_is_told_and_a_gradient_for_every_weight(model, name):
    decoder = MAKE[name](model)
    found = decoder(features(model, decoder))
    assert found.shape[:2] == (2, decoder.width) and found.ndim == 4
    found.square().sum().backward()
    unused = [name for name, parameter in decoder.named_parameters() if parameter.grad is None]
    assert not unused
    model.zero_grad()


@pytest.mark.parametrize("name", ["fpn", "upernet"])
def test_the_map_has_the_finest_levels_size(model, name):
    decoder = MAKE[name](model)
    finest = 16 if model.image.maps[0].grid != model.image.maps[-1].grid else 4 * 4  # a ViT's 4 x 4 enlarged four times
    assert decoder(features(model, decoder)).shape[-2:] == (finest, finest)


def test_linear_is_the_tokens_in_their_places(model):
    decoder = Linear(model)
    given = features(model, decoder)
    found = decoder(given)
    height, width = model.image.grid
    assert found.shape == (2, model.image.tokens_width, height, width)
    assert torch.equal(found[1, :, height - 1, 0], given["image.tokens"][1, (height - 1) * width])


def test_levels_of_one_size_become_a_pyramid_and_others_stay():
    flat = Model(image=TimmEncoder(SIZE, model="vit_tiny_patch16_224"))
    names = tuple(f"image.level{depth}" for depth in range(1, 5))
    found = Pyramid(flat, names)([torch.randn(2, 192, 4, 4) for _ in names])
    assert [each.shape[-1] for each in found] == [16, 8, 4, 2]
    falling = Model(image=TimmEncoder(SIZE, model="test_resnet"))
    maps = [torch.randn(1, level.width, *level.grid) for level in falling.image.maps]
    assert all(torch.equal(one, other) for one, other in zip(Pyramid(falling, names)(maps), maps, strict=True))


def test_every_level_is_heard(model):
    for name in ("fpn", "upernet"):
        decoder = MAKE[name](model).eval()
        given = {key: value.detach().requires_grad_() for key, value in features(model, decoder).items()}
        decoder(given).square().sum().backward()
        assert len(given) == 4 and all(value.grad.abs().sum() > 0 for value in given.values()), name


class Pooled(ImageEncoder):
    tokens_width = pooled_width = 3
    tokens = 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fpn", "gives none. do: take decoder 'linear'"),
        ("mirror", "gives none. do: take decoder 'linear'"),
        ("linear", "a grid"),
    ],
)
def test_an_encoder_without_maps_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        MAKE[name](Model(image=Pooled()))


def test_a_level_that_is_not_there_is_refused(model):
    with pytest.raises(ConfigError, match="level is 5; this image encoder has levels 1 to 4"):
        Fcn(model, level=5)


def test_the_mirror_meets_every_level_again_and_ends_at_the_images_size():
    model = Model(image=TimmEncoder(48, model="resnet18"))  # 12, 6, 3 and 2 cells a side
    decoder = Mirror(model, blocks=(1, 2, 3, 4), stem=(16, 8))
    met: list[tuple[int, ...]] = []
    for stage in decoder.stages:
        stage.register_forward_hook(lambda module, given, out: met.append(tuple(out.shape[1:])))
    found = decoder({"image.level4": torch.randn(2, 512, 2, 2)})
    assert met == [(level.width, *level.grid) for level in reversed(model.image.maps)]
    assert [len(stage) for stage in decoder.stages] == [4, 3, 2, 1]  # a ResNet's depths, read from the deepest
    assert found.shape == (2, 8, 48, 48)


def test_the_mirror_hears_the_deepest_level_alone():
    assert Mirror(Model(image=TimmEncoder(SIZE, model="test_resnet"))).needs == ("image.level4",)


def test_the_mirror_of_a_resnet_50_is_about_as_large():
    with torch.device("meta"):
        model = Model(image=TimmEncoder(224, model="resnet50"))
        decoder = Mirror(model, blocks=(3, 4, 6, 3), block="bottleneck")
    encoder, mirrored = (sum(p.numel() for p in module.parameters()) for module in (model.image, decoder))
    assert 0.8 < mirrored / encoder < 1.2


def test_depths_and_widths_that_do_not_fit_are_refused(model):
    with pytest.raises(ConfigError, match="one number above 0 is needed for each of 4 levels"):
        Mirror(model, blocks=(2, 2, 2))
    with pytest.raises(ConfigError, match="4 divides, and this encoder has levels of 6"):
        Mirror(Model(image=Narrow()), block="bottleneck")


class Narrow(Pooled):
    def features(self):
        return [Feature("image.level1", 6, grid=(4, 4))]

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from medvl.data.random import SampleRandom
from medvl.data.views import CxrFinetune, CxrMoco, Plain
from medvl.errors import ConfigError

VIEWS = {
    "moco": CxrMoco(size=32),
    "finetune": CxrFinetune(size=28),
    "reduced": CxrMoco(size=32, source=48),
    "intensity": CxrFinetune(size=28, brightness=0.3, contrast=0.4),
    "still": CxrMoco(size=32, degrees=0, flip=0),
    "plain": Plain(size=28, crop=0.875),
}
every_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())


def radiographs(count=6, side=32):
    images = torch.randint(0, 256, (count, side, side), generator=torch.Generator().manual_seed(0))
    return images.to(torch.uint8)


def drawn(view, indices, epoch=0):
    random = SampleRandom(0, epoch, np.asarray(indices), "image")
    return {name: torch.from_numpy(values) for name, values in view.draw(random).items()}


def seen(view, images, indices, epoch=0):
    return view(images, drawn(view, indices, epoch))


@every_view
def test_gives_one_float_channel_and_draws_float32(view):
    images = radiographs(side=view.source)
    assert seen(view, images, range(6)).shape == (6, 1, view.size, view.size)
    assert seen(view, images, range(6)).dtype == torch.float32
    assert all(v.dtype == torch.float32 and len(v) == 6 for v in drawn(view, range(6)).values())
    assert images.equal(radiographs(side=view.source)), "the stored radiographs were written to"


@every_view
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_same_pixels_whatever_the_batch_size(view, batch):
    images = radiographs(17, view.source)
    together = seen(view, images, range(17))
    parts = [seen(view, images[i : i + batch], range(i, min(i + batch, 17))) for i in range(0, 17, batch)]
    assert together.equal(torch.cat(parts))


@pytest.mark.parametrize("name", ["moco", "finetune", "reduced", "intensity"])
def test_another_epoch_gives_other_pixels(name):
    view = VIEWS[name]
    images = radiographs(side=view.source)
    assert seen(view, images, range(6)).equal(seen(view, images, range(6)))
    assert not seen(view, images, range(6)).equal(seen(view, images, range(6), epoch=1))


def test_each_step_of_the_recipe_is_torchvisions():
    """Flip, rotate, crop, contrast, brightness, normalise, one sample after the other, with the drawn parameters."""
    view = CxrFinetune(size=28, brightness=0.3, contrast=0.4, mean=0.4, std=0.2)
    images = radiographs()
    parameters = drawn(view, range(6))
    expected = []
    for i, image in enumerate(images.unsqueeze(1).float()):
        one = {name: values[i].item() for name, values in parameters.items()}
        slow = reference.hflip(image) if one["flip"] else image
        slow = reference.rotate(slow, one["angle"], InterpolationMode.BILINEAR)
        slow = reference.crop(slow, int(one["top"]), int(one["left"]), 28, 28)
        slow = one["contrast"] * slow + (1 - one["contrast"]) * image.mean()
        slow = (slow * one["brightness"]).clamp(0, 255)
        expected.append((slow / 255 - 0.4) / 0.2)
    assert {0.0, 1.0} == set(parameters["flip"].tolist()), "choose other samples: both must be tested"
    # 0.01 grey levels (see test_warp.py), times 1.3 * 1.4 of intensity, over 255 * std
    torch.testing.assert_close(view(images, parameters), torch.stack(expected), atol=0.0004, rtol=0)


def test_draws_cover_the_stated_ranges():
    parameters = drawn(CxrFinetune(size=28, degrees=7, flip=0.25, brightness=0.2), range(4000))
    assert -7 <= parameters["angle"].min() < -6.9 and 6.9 < parameters["angle"].max() <= 7
    assert abs(parameters["flip"].mean() - 0.25) < 0.04
    assert set(parameters["left"].tolist()) == set(parameters["top"].tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert parameters["brightness"].min() >= 0.8 and parameters["brightness"].max() <= 1.2
    assert "contrast" not in parameters


def test_what_is_switched_off_is_not_drawn_and_not_warped():
    view = VIEWS["still"]
    assert drawn(view, range(6)) == {}
    images = radiographs(side=view.source)
    assert view(images, {}).equal(view.fixed()(images, {}))


@every_view
def test_fixed_is_deterministic_and_only_normalises_at_equal_size(view):
    fixed = view.fixed()
    images = radiographs(side=view.working)
    assert (fixed.size, fixed.source) == (view.size, view.source)
    assert drawn(fixed, range(6)) == {}
    centre = reference.center_crop(images, [view.size, view.size]).unsqueeze(1)
    # (x / 255 - mean) / std in one multiplication and one subtraction: a few roundings of values up to 2
    torch.testing.assert_close(fixed(images, {}), (centre / 255 - view.mean) / view.std, atol=1e-6, rtol=0)


def test_a_larger_source_is_reduced_with_antialiasing():
    images = radiographs(side=64)
    expected = reference.resize(images.unsqueeze(1).float(), [32, 32], InterpolationMode.BILINEAR, antialias=True)
    torch.testing.assert_close(Plain(size=32, mean=0.0, std=1 / 255)(images, {}), expected, atol=0.01, rtol=0)


def test_source_follows_from_size_and_crop():
    assert CxrMoco().source == 224
    assert CxrFinetune().source == 256
    assert CxrFinetune(source=512).source == 512


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Plain(size=0), "size"),
        (lambda: Plain(crop=0.0), "crop"),
        (lambda: Plain(std=0.0), "std"),
        (lambda: Plain(source=0), "source"),
        (lambda: CxrMoco(degrees=-1), "degrees"),
        (lambda: CxrMoco(flip=1.5), "flip"),
        (lambda: CxrMoco(brightness=2), "brightness"),
        (lambda: CxrFinetune(contrast=-0.1), "contrast"),
    ],
)
def test_a_parameter_out_of_range_is_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()

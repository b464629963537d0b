import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from medvl.data.warp import resized, warp

# Grey levels out of 255. Both sides sample at float32 coordinates that differ by rounding, some 1e-6 pixels at these
# sizes, and neighbouring pixels of noise differ by up to 255 levels: 0.001 is the worst seen.
ROUNDING = 0.01


def noise(count=4, side=40, seed=0):
    return torch.randint(0, 256, (count, 1, side, side), generator=torch.Generator().manual_seed(seed)).float()


def geometry(count=4, **values):
    names = {"angle": 0.0, "flip": 0.0, "left": 0.0, "top": 0.0} | values
    return {name: torch.as_tensor(value, dtype=torch.float32).expand(count) for name, value in names.items()}


def close(actual, expected):
    torch.testing.assert_close(actual, expected, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("angle", [-10.0, 3.3, 90.0])
def test_rotation_is_torchvisions(angle):
    images = noise()
    expected = reference.rotate(images, angle, InterpolationMode.BILINEAR)
    close(warp(images, 40, window=40.0, **geometry(angle=angle)), expected)


def test_flip_is_torchvisions():
    images = noise()
    close(warp(images, 40, window=40.0, **geometry(flip=1.0)), reference.hflip(images))


def test_crop_is_torchvisions():
    images = noise()
    expected = reference.crop(images, top=3, left=7, height=24, width=24)
    close(warp(images, 24, window=24.0, **geometry(left=7, top=3)), expected)


def test_crop_that_is_enlarged_is_torchvisions():
    images = noise()
    expected = reference.resized_crop(images, 3, 7, 24, 24, [32, 32], InterpolationMode.BILINEAR)
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # at the border a crop repeats its last pixel
    close(warp(images, 32, window=24.0, **geometry(left=7, top=3))[inside], expected[inside])


def test_each_sample_has_its_own_geometry_in_one_pass():
    images = noise(3)
    angle, flip, left, top = [5.0, -8.0, 0.0], [1.0, 0.0, 1.0], [0.0, 8.0, 3.0], [8.0, 2.0, 0.0]
    together = warp(
        images, 32, window=32.0, **geometry(3, angle=torch.tensor(angle), flip=torch.tensor(flip),
                                            left=torch.tensor(left), top=torch.tensor(top)),
    )  # fmt: skip
    for i, image in enumerate(images):
        slow = reference.hflip(image) if flip[i] else image
        slow = reference.rotate(slow, angle[i], InterpolationMode.BILINEAR)
        close(together[i], reference.crop(slow, int(top[i]), int(left[i]), 32, 32))


def test_a_window_for_each_sample():
    images = noise(2)
    together = warp(images, 20, window=torch.tensor([20.0, 40.0]), **geometry(2))
    close(together[:1], images[:1, :, :20, :20])
    close(together[1:], reference.resize(images[1:], [20, 20], InterpolationMode.BILINEAR, antialias=False))


def test_uncovered_corners_are_black():
    white = torch.full((1, 1, 40, 40), 255.0)
    turned = warp(white, 40, window=40.0, **geometry(1, angle=10.0))
    assert turned[0, 0, 0, 0] == 0
    close(turned[0, 0, 10:30, 10:30], white[0, 0, 10:30, 10:30])


@pytest.mark.parametrize("side", [20, 40, 64])
def test_resized_is_torchvisions_antialiased_resize(side):
    images = noise()
    close(resized(images, side), reference.resize(images, [side, side], InterpolationMode.BILINEAR, antialias=True))


def test_resized_leaves_an_equal_side_alone():
    images = noise()
    assert resized(images, 40) is images

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from medvl.data import warp_cpu
from medvl.data.geometry import Affine, Flip, ResizedCrop, Rotation, Window, draw_geometry
from medvl.data.random import SampleRandom
from medvl.data.warp import halved, resized, stretch, warp

# Grey levels out of 255. Both sides sample at float32 coordinates that differ by rounding, some 1e-5 pixels at these
# sizes, and neighbouring pixels of noise differ by up to 255 levels: 0.003 is the worst seen.
ROUNDING = 0.01

# OpenCV 5 rounds to whole levels: 0.25 on average and 0.5 at most. OpenCV 4 samples at multiples of 1/32 pixel, of
# which noise makes more than radiographs do.
WARP_MEAN, WARP_MOST = (0.3, 0.51) if int(cv2.__version__.split(".")[0]) >= 5 else (1.1, 40)


def noise(count=4, side=40, seed=0):
    return torch.randint(0, 256, (count, 1, side, side), generator=torch.Generator().manual_seed(seed)).float()


def smooth(count=4, side=40):
    """Noise without the finest detail, as radiographs have little of."""
    coarse = functional.interpolate(noise(count, side // 4), size=(side, side), mode="bicubic")
    return coarse.clamp(0, 255).round()


class Given(SampleRandom):
    """Stands in for random numbers: each parameter has the value that a test gives it."""

    def __init__(self, **values):
        super().__init__(0, 0, np.arange(len(next(iter(values.values())))), "given")
        self.values = {name: np.asarray(value, np.float32) for name, value in values.items()}

    def uniform(self, name, low, high):
        return self.values[name]

    def flip(self, name, p):
        return self.values[name] > 0

    def integers(self, name, count):
        return self.values[name].astype(np.int64)


def from_numpy(drawn):
    return {name: torch.from_numpy(values) for name, values in drawn.items()}


def table(steps, side=40, **values):
    return from_numpy(draw_geometry(steps, Given(**values), side))


def close(actual, expected, atol=ROUNDING):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


@pytest.mark.parametrize("angle", [-10.0, 3.3, 90.0])
def test_rotation_is_torchvisions(angle):
    images = noise()
    expected = reference.rotate(images, angle, InterpolationMode.BILINEAR)
    close(warp(images, **table([Rotation(90)], angle=[angle] * 4), size=40), expected)


@pytest.mark.parametrize("zoom", [0.9, 1.1])
def test_affine_is_torchvisions(zoom):
    images = noise()
    expected = reference.affine(images, -7.0, [3, -2], zoom, [0.0], InterpolationMode.BILINEAR)
    drawn = table([Affine(9, (0.1, 0.1), (0.9, 1.1))], angle=[7] * 4, zoom=[zoom] * 4, right=[3] * 4, down=[-2] * 4)
    close(warp(images, **drawn, size=40), expected)


def test_flip_and_crop_are_torchvisions():
    images = noise()
    drawn = table([Flip(1), Window(24)], flip=[1] * 4, left=[7] * 4, top=[3] * 4)
    expected = reference.crop(reference.hflip(images), top=3, left=7, height=24, width=24)
    close(stretch(images, **drawn, size=24, interpolation="bilinear"), expected)


@pytest.mark.parametrize("interpolation", [InterpolationMode.BILINEAR, InterpolationMode.BICUBIC])
@pytest.mark.parametrize("size", [36, 20])
def test_a_resized_crop_is_torchvisions(interpolation, size):
    images = noise()
    window = torch.tensor([[7.0, 3, 31, 33], [0, 0, 40, 40], [0, 10, 40, 20], [39, 0, 40, 40]])
    drawn = {"window": window, "matrix": torch.zeros(4, 2, 3)}
    drawn["matrix"][:, :, 2] = window[:, :2]
    drawn["matrix"][:, [0, 1], [0, 1]] = (window[:, 2:] - window[:, :2]) / size
    actual = stretch(images, **drawn, size=size, interpolation=interpolation.value)
    for i, (left, top, right, bottom) in enumerate(window.int().tolist()):
        place = (top, left, bottom - top, right - left)
        expected = reference.resized_crop(images[i], *place, [size, size], interpolation, antialias=True)
        close(actual[i], expected.clamp(0, 255))


def test_what_is_turned_out_of_a_crop_is_black_though_the_radiograph_goes_on():
    white = torch.full((1, 1, 40, 40), 255.0)
    steps = [Window(20), Rotation(10)]
    turned = warp(white, **table(steps, angle=[10], left=[9], top=[11]), size=20)
    close(turned, reference.rotate(white[..., :20, :20], 10.0, InterpolationMode.BILINEAR))


def test_each_sample_has_its_own_geometry_in_one_pass():
    images = noise(3)
    angle, flip, left, top = [5.0, -8.0, 0.0], [1.0, 0.0, 1.0], [0.0, 8.0, 3.0], [8.0, 2.0, 0.0]
    steps = [Flip(0.5), Rotation(9), Window(32)]
    together = warp(images, **table(steps, angle=angle, flip=flip, left=left, top=top), size=32)
    for i, image in enumerate(images):
        slow = reference.hflip(image) if flip[i] else image
        slow = reference.rotate(slow, angle[i], InterpolationMode.BILINEAR)
        close(together[i], reference.crop(slow, int(top[i]), int(left[i]), 32, 32))


@pytest.mark.parametrize("images", [noise(32), smooth(32)], ids=["noise", "smooth"])
@pytest.mark.parametrize(
    "steps",
    [
        [Window(36), Flip(0.5), Rotation(10)],
        [Rotation(10), Window(36)],
        [ResizedCrop(36, (0.6, 1.0)), Flip(0.5), Affine(20, (0.1, 0.1), (0.9, 1.1))],
    ],
)
def test_the_cpu_warps_the_same_pixels(steps, images):
    drawn = from_numpy(draw_geometry(steps, SampleRandom(0, 0, np.arange(32), "image"), 40))
    error = (warp_cpu.warp(images.byte(), **drawn, size=36).float() - warp(images, **drawn, size=36)).abs()
    assert error.mean() < WARP_MEAN and error.max() < WARP_MOST


@pytest.mark.parametrize("images", [noise(32), smooth(32)], ids=["noise", "smooth"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "steps", [[ResizedCrop(36, (0.2, 1.0)), Flip(0.5)], [Flip(0.5), Window(36)], [ResizedCrop(36, (0.2, 1.0))]]
)
def test_the_cpu_stretches_the_same_pixels(steps, images, interpolation):
    drawn = from_numpy(draw_geometry(steps, SampleRandom(0, 0, np.arange(32), "image"), 40))
    settings = {"size": 36, "interpolation": interpolation}
    error = (warp_cpu.stretch(images.byte(), **drawn, **settings) - stretch(images, **drawn, **settings)).abs()
    # whole levels from 0 to 255 after each of two passes, as Pillow's: noise makes the bicubic kernel overshoot that
    assert error.mean() < 0.4 and error.quantile(0.99) < 2


@pytest.mark.parametrize("side", [20, 40, 64])
def test_resized_is_torchvisions_antialiased_resize(side):
    images = noise()
    expected = reference.resize(images, [side, side], InterpolationMode.BILINEAR, antialias=True)
    close(resized(images, side), expected)
    close(resized(images.byte(), side), expected)
    close(warp_cpu.resized(images.byte(), side).float(), expected, atol=1.01)  # rounded after each of two passes


def test_resized_leaves_an_equal_side_alone():
    images = noise()
    assert resized(images, 40) is images


@pytest.mark.parametrize("antialias", [True, False])
def test_halved_is_the_bicubic_resize_of_the_tensor(antialias):
    images = noise() / 64 - 2
    expected = functional.interpolate(images, (20, 20), mode="bicubic", antialias=antialias)
    close(halved(images, antialias), expected, atol=1e-5)
    close(warp_cpu.halved(images, antialias), expected, atol=1e-5)

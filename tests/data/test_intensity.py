import numpy as np
import pytest
import torch
from torchvision.transforms import functional as reference

from medvl.data import intensity
from medvl.data.intensity import Blur, Jitter, Solarise, gaussian
from medvl.data.random import SampleRandom

MANY = 20_000


def random(count=MANY):
    return SampleRandom(0, 0, np.arange(count), "image")


def noise(count=6, side=40):
    return torch.randint(0, 256, (count, 1, side, side), generator=torch.Generator().manual_seed(0)).float()


def tensors(**values):
    return {name: torch.tensor(value) for name, value in values.items()}


def test_draws_cover_the_stated_ranges():
    drawn = Jitter(0.4, 0.2, p=0.5).draw(random())
    for name, change in (("brightness", 0.4), ("contrast", 0.2)):
        changed = drawn[name][drawn[name] != 1]
        assert abs(len(changed) / MANY - 0.5) < 0.02
        assert 1 - change <= changed.min() < 1 - 0.99 * change and 1 + 0.99 * change < changed.max() <= 1 + change
        assert abs(changed.mean() - 1) < 0.01
    assert ((drawn["brightness"] == 1) == (drawn["contrast"] == 1)).all(), "both happen, or neither"
    assert abs(drawn["contrast_first"].mean() - 0.5) < 0.02
    sigma = Blur(23, (0.1, 2.0), p=0.1).draw(random())["sigma"]
    assert abs((sigma > 0).mean() - 0.1) < 0.01
    assert 0.1 <= sigma[sigma > 0].min() < 0.12 and 1.98 < sigma.max() <= 2
    assert abs(Solarise(0.2).draw(random())["solarise"].mean() - 0.2) < 0.01


@pytest.mark.parametrize("contrast_first", [0.0, 1.0])
def test_jitter_is_torchvisions(contrast_first):
    images = noise()
    brightness, contrast = [0.6, 1.4, 1.0, 0.9, 1.2, 1.0], [1.4, 0.6, 1.3, 1.0, 0.8, 1.0]
    factors = tensors(brightness=brightness, contrast=contrast, contrast_first=[contrast_first] * 6)
    expected = []
    for i, image in enumerate(images / 255):  # torchvision keeps floats within 0 to 1
        steps = [(reference.adjust_brightness, "brightness"), (reference.adjust_contrast, "contrast")]
        for adjust, name in reversed(steps) if contrast_first else steps:
            image = adjust(image, factors[name][i].item())
        expected.append(image * 255)
    # the mean is of values rounded to whole levels: 0.02 levels at most here
    torch.testing.assert_close(Jitter(0.4, 0.4).apply(images, factors), torch.stack(expected), atol=0.02, rtol=0)


def test_an_unchanged_sample_is_left_alone():
    images = noise()
    drawn = tensors(brightness=[1.0] * 6, contrast=[1.0] * 6, contrast_first=[0.0, 1.0] * 3)
    assert Jitter(0.4, 0.4).apply(images.clone(), drawn).equal(images)
    assert Blur(5, (0.1, 2), 0.5).apply(images.clone(), tensors(sigma=[0.0] * 6)).equal(images)
    assert Solarise(0.5).apply(images.clone(), tensors(solarise=[0.0] * 6)).equal(images)


SIGMAS = [0.1, 0.5, 1.0, 2.0, 3.0, 0.0]


def slowly_blurred(images):
    blurred = [
        reference.gaussian_blur(image, [9, 9], [s, s]) if s else image for image, s in zip(images, SIGMAS, strict=True)
    ]
    return torch.stack(blurred)


def test_blur_is_torchvisions():
    images = noise()
    blurred = Blur(9, (0.1, 3), 1.0).apply(images.clone(), tensors(sigma=SIGMAS))
    torch.testing.assert_close(blurred, slowly_blurred(images), atol=0.01, rtol=0)


def test_blur_on_a_device_is_torchvisions():
    images, weights = noise(), gaussian(torch.tensor(SIGMAS), 9)
    blurred = images
    for dim in (3, 2):
        blurred = intensity._blurred_along(blurred, weights, dim)
    torch.testing.assert_close(blurred, slowly_blurred(images), atol=0.01, rtol=0)


def test_solarise_is_torchvisions():
    images = noise().byte()
    expected = torch.cat([reference.solarize(images[:3], 128), images[3:]])
    drawn = tensors(solarise=[1.0] * 3 + [0.0] * 3)
    assert Solarise(0.5).apply(images.float(), drawn).equal(expected.float())

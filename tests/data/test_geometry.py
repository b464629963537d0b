import numpy as np
import pytest
import torch
from torchvision import transforms

from medvl.data.geometry import Affine, Flip, ResizedCrop, Rotation, Window, draw_geometry
from medvl.data.random import SampleRandom

MANY = 20_000


def random(count=MANY, epoch=0):
    return SampleRandom(0, epoch, np.arange(count), "image")


def spread(values, low, high):
    """An even law between two ends: both are nearly reached, and the quantiles lie on a line."""
    assert low <= values.min() and values.max() <= high
    quantiles = np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9])
    np.testing.assert_allclose((quantiles - low) / (high - low), [0.1, 0.25, 0.5, 0.75, 0.9], atol=0.02)


def test_draws_cover_the_stated_ranges():
    spread(Rotation(7).draw(random(), 64)["angle"], -7, 7)
    assert abs(Flip(0.25).draw(random(), 64)["flip"].mean() - 0.25) < 0.01
    window = Window(28).draw(random(), 32)
    assert all(set(window[name].tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0} for name in ("left", "top"))
    affine = Affine(20, (0.05, 0.1), (0.95, 1.05)).draw(random(), 1000)
    spread(affine["angle"], -20, 20)
    spread(affine["zoom"], np.float32(0.95), np.float32(1.05))
    spread(affine["right"], -50, 50)
    spread(affine["down"], -100, 100)
    assert (affine["down"] == np.rint(affine["down"])).all()


def test_parameters_are_drawn_apart():
    drawn = Affine(20, (0.1, 0.1), (0.95, 1.05)).draw(random(), 1000) | Flip(0.5).draw(random(), 1000)
    correlations = np.corrcoef(np.stack(list(drawn.values())))
    assert np.abs(correlations - np.eye(len(drawn))).max() < 0.03


@pytest.mark.parametrize(
    ("scale", "ratio"),
    [((0.2, 1.0), (3 / 4, 4 / 3)), ((0.8, 1.1), (3 / 4, 4 / 3)), ((0.6, 1.0), (1.2, 1.5)), ((1.0, 1.0), (0.5, 0.6))],
)
def test_resized_crop_has_torchvisions_law(scale, ratio):
    """The same distribution of areas, shapes and places, also where most draws do not fit or none does."""
    drawn = ResizedCrop(64, scale, ratio).draw(random(4000), 128)
    ours = np.stack([drawn[name] for name in ("top", "left", "height", "width")], 1)
    image = torch.empty(1, 128, 128)
    torch.manual_seed(0)
    theirs = np.array(
        [transforms.RandomResizedCrop.get_params(image, list(scale), list(ratio)) for _ in range(4000)], float
    )
    for of in (lambda c: c[:, 2] * c[:, 3], lambda c: c[:, 3] / c[:, 2], lambda c: c[:, 0], lambda c: c[:, 1]):
        assert largest_gap(of(ours), of(theirs)) < 0.043  # two samples of 4000 differ by more once in a thousand times


def largest_gap(some, others):
    """The Kolmogorov-Smirnov distance of two samples."""
    places = np.concatenate([some, others])
    shares = [np.searchsorted(np.sort(sample), places, "right") / len(sample) for sample in (some, others)]
    return np.abs(shares[0] - shares[1]).max()


def test_a_crop_lies_in_the_radiograph():
    drawn = ResizedCrop(32, (0.05, 1.1)).draw(random(), 37)
    assert min(drawn["left"].min(), drawn["top"].min()) >= 0 and min(drawn["width"].min(), drawn["height"].min()) >= 1
    assert max((drawn["left"] + drawn["width"]).max(), (drawn["top"] + drawn["height"]).max()) <= 37


@pytest.mark.parametrize("batch", [1, 3, 50])
def test_a_crop_depends_on_its_sample_alone(batch):
    step = ResizedCrop(32, (0.8, 1.1))
    together = step.draw(random(50), 64)
    for start in range(0, 50, batch):
        part = step.draw(SampleRandom(0, 0, np.arange(start, min(start + batch, 50)), "image"), 64)
        for name, values in part.items():
            assert values.tolist() == together[name][start : start + batch].tolist()


def test_steps_are_applied_one_after_the_other():
    """A point of the output, taken back step by step, is where the composed matrix says."""
    steps = [ResizedCrop(48, (0.2, 1.0)), Flip(0.5), Affine(20, (0.1, 0.1), (0.9, 1.1)), Window(40)]
    table = draw_geometry(steps, random(5), 64)
    point = np.array([3.0, 5.0, 1.0])
    sides = [64, 48, 48, 48]
    for step, side in reversed(list(zip(steps, sides, strict=True))):
        matrix = step.matrix(step.draw(random(5), side), side)
        point = np.einsum("bij,bj->bi", matrix, np.broadcast_to(point, (5, 3)))
    np.testing.assert_allclose(table["matrix"] @ [3.0, 5.0, 1.0], point[:, :2], atol=1e-4)
    assert {name: values.dtype for name, values in table.items()} == {"matrix": np.float32, "window": np.float32}


def test_the_window_is_the_last_crop_before_a_turn():
    crop = ResizedCrop(48, (0.2, 1.0))
    drawn = crop.draw(random(9), 64)
    table = draw_geometry([crop, Flip(1.0), Rotation(9), Window(40)], random(9), 64)
    edges = [drawn["left"], drawn["top"], drawn["left"] + drawn["width"], drawn["top"] + drawn["height"]]
    np.testing.assert_array_equal(table["window"], np.stack(edges, 1))
    assert "window" not in draw_geometry([Rotation(9), Window(40)], random(9), 64)

"""What a mask shows of a view is what stands there: it moves with its radiograph, whatever the recipe draws."""

import numpy as np
import pytest
import torch

from medvl.data.mask_warp import nearest
from medvl.data.random import SampleRandom
from medvl.data.recipe import Recipe
from medvl.data.views.plain import Plain
from tests.data.test_views import DEVICES, VIEWS

CARRYING = {name: make for name, make in VIEWS.items() if make().carries_masks}


def blobs(side, count=6):
    """(count, 2, side, side) bool: an off-centre disc each, and a corner that no symmetry keeps."""
    y, x = np.mgrid[:side, :side] / side
    discs = [(x - 0.35 - 0.04 * i) ** 2 + (y - 0.6) ** 2 < 0.05 for i in range(count)]
    corner = (x < 0.45) & (y < 0.4)
    return torch.from_numpy(np.stack([np.stack([disc, corner]) for disc in discs]))


@DEVICES
@pytest.mark.parametrize("name", CARRYING)
def test_a_mask_goes_where_its_radiograph_goes(name, device):
    view = CARRYING[name]()
    masks = blobs(view.source).to(device)
    drawn = view.draw(SampleRandom(0, 1, np.arange(len(masks)), "image"))
    parameters = {key: torch.from_numpy(values).to(device) for key, values in drawn.items()}
    still = Recipe.__new__(type(view))  # the geometry alone, on a picture of the mask
    torch.nn.Module.__init__(still)
    still.__dict__.update({**view.__dict__, "intensity": (), "mean": 0.0, "std": 1.0})
    warped = view.masks(masks, parameters)
    assert warped.dtype == torch.bool and warped.shape == (len(masks), 2, view.size, view.size)
    for channel in range(2):
        picture = still(masks[:, channel].byte() * 255, parameters)[:, 0]
        agree = ((picture > 0.5) == warped[:, channel]).float().mean().item()
        assert agree > 0.97, f"channel {channel}"
    assert warped.any() and not warped.all()


@pytest.mark.parametrize("name", CARRYING)
def test_evaluation_shows_the_mask_of_what_is_evaluated(name):
    view = CARRYING[name]().fixed()
    masks = blobs(view.source)
    picture = type(view).forward(view, masks[:, 0].byte() * 255, {})[:, 0]
    shown = view.masks(masks, {})
    middle = (picture.max() + picture.min()) / 2
    assert ((picture > middle) == shown[:, 0]).float().mean() > 0.97


def test_nothing_drawn_and_nothing_scaled_is_the_mask_itself():
    masks = blobs(16)
    assert torch.equal(Plain(size=16).masks(masks, {}), masks)
    assert torch.equal(Plain(size=8, source=16).masks(masks, {}), masks[..., 1::2, 1::2])
    assert torch.equal(Plain(size=8, crop=0.5).masks(masks, {}), masks[..., 4:12, 4:12])


def test_beyond_the_edge_and_the_window_nothing_stands():
    masks = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    matrix = torch.tensor([[[1.0, 0, 4], [0, 1, -2]]])
    found = nearest(masks, matrix, 8, 8)[0, 0]
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[2:, :4] = True
    assert torch.equal(found, expected)
    window = torch.tensor([[5.0, 0, 8, 3]])
    expected[:, 0] = False
    expected[5:] = False
    assert torch.equal(nearest(masks, matrix, 8, 8, window=window)[0, 0], expected)

import numpy as np
import pyarrow as pa
import pytest
import torch

from medvl.data.boxes import BOX, box_column, boxes_in_square
from medvl.data.scaling import resize
from medvl.data.views.plain import Plain


def test_boxes_go_to_their_images_and_keep_their_order():
    corners = np.array([[0.5, 0.25, 0.125, 1], [0, 0, 1, 1], [0.25, 0, 0.5, 0.5]])
    column = box_column(4, np.array([2, 0, 2]), np.array(["Edema", "Mass", "Edema"], object), corners)
    assert column.type == pa.list_(BOX)
    first = {"label": "Mass", "x": 0, "y": 0, "width": 1, "height": 1}
    second = {"label": "Edema", "x": 0.5, "y": 0.25, "width": 0.125, "height": 1}
    third = {"label": "Edema", "x": 0.25, "y": 0, "width": 0.5, "height": 0.5}
    assert column.to_pylist() == [[first], [], [second, third], []]


def test_no_boxes_at_all():
    column = box_column(2, np.zeros(0, np.int64), np.zeros(0, object), np.zeros((0, 4)))
    assert column.to_pylist() == [[], []]


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(120, 80), (80, 120), (100, 100)])
@pytest.mark.parametrize("crop", [1.0, 0.75])
def test_boxes_stand_where_the_view_shows_what_is_in_them(fit, size, crop):
    height, width = size
    image = np.zeros(size, np.uint8)
    image[height * 3 // 10 : height * 6 // 10, width * 4 // 10 : width * 7 // 10] = 255
    view = Plain(size=60, crop=crop, mean=0.0, std=1.0)
    seen = view(torch.from_numpy(resize(image, view.source, fit).copy())[None], {})[0, 0].numpy() > 0.5
    ((x, y, wide, high),) = boxes_in_square(np.array([[0.4, 0.3, 0.3, 0.3]]), size, fit, view.window)
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 60
    np.testing.assert_allclose([x, y, x + wide, y + high], found, atol=1.5 / 60)


def test_what_lies_outside_is_cut_off():
    corners = np.array([[0, 0.4, 0.2, 0.2], [0, 0, 1, 1]])
    found = boxes_in_square(corners, (100, 200), "crop", (0.0, 0.0, 1.0, 1.0))
    np.testing.assert_allclose(found, [[0, 0.4, 0, 0.2], [0, 0, 1, 1]])

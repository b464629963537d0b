import numpy as np
import pyarrow as pa

from medvl.data.boxes import BOX, box_column


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

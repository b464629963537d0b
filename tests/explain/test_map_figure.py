"""The boxes of a picture with maps: those of a map's own finding are solid, the others dotted."""

import io

import numpy as np
from PIL import Image

from medvl.data.shown_boxes import Box
from medvl.explain.case import Case
from medvl.explain.map_figure import map_figure

CASE = Case(
    row=0, key="k", pixels=np.zeros((64, 64), np.uint8), text="", labels={"A": 1.0, "B": 1.0},
    boxes=(Box("A", 0.1, 0.1, 0.3, 0.8), Box("B", 0.6, 0.1, 0.3, 0.8)),
)  # fmt: skip


def coloured(findings):
    """How many pixels of a box's colour the left and the right half of each panel have, the radiograph first."""
    maps = {"first": np.zeros((2, 2)), "second": np.zeros((2, 2))}
    picture = np.asarray(Image.open(io.BytesIO(map_figure(CASE, maps, findings))).convert("RGB")).astype(int)
    boxes = picture[..., 2] - picture[..., 0] > 60
    thirds = np.array_split(boxes, 3, axis=1)
    return [[half.sum() for half in np.array_split(third, 2, axis=1)] for third in thirds]


def test_boxes_of_other_findings_are_dotted():
    whole, of_a, of_b = coloured(["A", "B"])
    assert of_a[0] == whole[0] and of_b[1] == whole[1]
    assert 0 < of_a[1] < 0.7 * whole[1] and 0 < of_b[0] < 0.7 * whole[0]


def test_maps_of_no_finding_show_all_boxes_alike():
    whole, *others = coloured([])
    assert all(other == whole for other in others)

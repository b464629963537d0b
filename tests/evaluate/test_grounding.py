"""Maps against boxes: pixel by pixel, the pointing game, means over the findings that have boxes, and draws."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from medvl import Cases, ConfigError, DataSpec
from medvl.evaluate.base import SALIENCY
from medvl.evaluate.grounding import Grounding
from medvl.evaluate.localisation import covered, enlarged, localised

NAMES = ("Atelectasis", "Effusion", "Nodule")
DATA = DataSpec(labels=NAMES)


def cases(maps, of, boxes, patients=None, size=None):
    of = np.array(of, np.int64).reshape(-1, 2)
    rows = np.arange(size or int(of[:, 0].max()) + 1) + 10
    fields = {"boxed": of, "boxes": np.array(boxes, float).reshape(-1, 5)}
    return Cases(rows, rows if patients is None else np.array(patients), fields, {SALIENCY: np.array(maps, np.float32)})


def simulated(size=30, seed=0):
    random = np.random.default_rng(seed)
    of = [(case, finding) for case in range(size) for finding in (0, 1) if random.random() < 0.6]
    corners = random.uniform(0, 0.6, (len(of), 2))
    boxes = [(number, x, y, 0.3, 0.35) for number, (x, y) in enumerate(corners)]
    return cases(random.random((len(of), 4, 4)), of, boxes, size=size)


def test_maps_are_enlarged_as_torch_does():
    maps = np.random.default_rng(0).random((3, 4, 7)).astype(np.float32)
    expected = F.interpolate(torch.from_numpy(maps)[:, None], (20, 20), mode="bilinear", align_corners=False)[:, 0]
    np.testing.assert_allclose(enlarged(maps, 20), expected.numpy(), atol=1e-6)


def test_boxes_cover_the_pixels_whose_centre_they_hold():
    inside = covered(np.array([[5, 0.25, 0.0, 0.5, 0.3], [5, 0.9, 0.9, 0.02, 0.02]]), 5, 1, 8)[0]
    expected = np.zeros((8, 8), bool)
    expected[:2, 2:6] = True  # rows whose centres, 0.0625 and 0.1875, lie above 0.3; that of the third does not
    expected[7, 7] = True  # too small for any centre
    np.testing.assert_array_equal(inside, expected)


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.8])
def test_overlap_and_hit_pixel_by_pixel(threshold):
    given, side = simulated(), 24
    maps, boxes = given.outputs[SALIENCY], given.fields["boxes"]
    overlaps, hits, areas = localised(maps, boxes, threshold, side)
    for number in range(len(maps)):
        cells = enlarged(maps[[number]], side)[0]
        both = either = area = 0
        for row in range(side):
            for column in range(side):
                x, y = (column + 0.5) / side, (row + 0.5) / side
                region = cells[row, column] > threshold * cells.max()
                boxed = any(b[1] <= x < b[1] + b[3] and b[2] <= y < b[2] + b[4] for b in boxes if b[0] == number)
                both, either, area = both + (region and boxed), either + (region or boxed), area + boxed
        assert overlaps[number] == pytest.approx(both / either)
        assert areas[number] == pytest.approx(area / side**2)
        row, column = np.unravel_index(maps[number].argmax(), maps[number].shape)
        x, y = (column + 0.5) / 4, (row + 0.5) / 4
        assert hits[number] == any(b[1] <= x < b[1] + b[3] and b[2] <= y < b[2] + b[4] for b in boxes if b[0] == number)


def test_several_boxes_of_one_finding_count_together():
    cells = np.zeros((1, 4, 4), np.float32)
    cells[0, :, 0] = cells[0, :, 3] = 1
    halves = [(0, 0.0, 0.0, 0.25, 1.0), (0, 0.75, 0.0, 0.25, 1.0)]
    both, one = (localised(cells, np.array(boxes, float), 0.5)[0][0] for boxes in (halves, halves[:1]))
    assert both > 0.9 and one == pytest.approx(both / 2, abs=0.05)


def test_means_are_over_cases_then_over_the_findings_that_have_boxes():
    given = simulated()
    result = Grounding(DATA, replicates=0).evaluate(given)
    overlaps, hits, areas = localised(given.outputs[SALIENCY], given.fields["boxes"], 0.5)
    findings = given.fields["boxed"][:, 1]
    for measure, values in (("iou", overlaps), ("pointing", hits)):
        means = [values[findings == finding].mean() for finding in (0, 1)]
        assert [result.metrics[f"{measure}/{name}"] for name in NAMES[:2]] == pytest.approx(means)
        assert np.isnan(result.metrics[f"{measure}/Nodule"])
        assert result.metrics[f"{measure}_macro"] == pytest.approx(np.mean(means))
    assert tuple(result.metrics) == Grounding(DATA).metrics()
    assert result.counts["boxed/Effusion"] == (findings == 1).sum() and result.counts["boxed/Nodule"] == 0
    assert f"Atelectasis {areas[findings == 0].mean():.3f}, Effusion" in result.notes[-1]
    assert [row[0] for row in Grounding(DATA).table(result)[1]] == ["macro", "Atelectasis", "Effusion"]


def test_a_map_without_anything_above_zero_is_a_miss_and_told():
    given = cases(np.zeros((2, 3, 3)), [(0, 0), (1, 0)], [(0, 0, 0, 1, 1), (1, 0, 0, 0.5, 0.5)])
    result = Grounding(DATA, replicates=0).evaluate(given)
    assert result.metrics["iou_macro"] == result.metrics["pointing_macro"] == 0
    assert "2 of 2 maps have nothing above 0" in result.notes[-1]


def test_without_a_box_there_is_nothing_to_judge():
    given = cases(np.zeros((0, 1, 1)), [], [], size=3)
    result = Grounding(DATA).evaluate(given)
    assert np.isnan(result.metrics["iou_macro"]) and result.draws is None
    assert result.notes == ["no case of split test has a box of one of the findings"]
    assert Grounding(DATA).listed(given)["iou"].size == 0


def test_patients_are_drawn_among_those_that_have_a_box():
    given = simulated(size=20)
    given.patients = np.arange(20) // 2
    result = Grounding(DATA, replicates=50).evaluate(given)
    boxed = np.unique(given.fields["boxed"][:, 0])
    np.testing.assert_array_equal(result.draws.positions, boxed)
    assert result.draws.codes.max() + 1 == len(np.unique(boxed // 2))
    low, high = result.intervals["iou/Effusion"]
    assert low < result.metrics["iou/Effusion"] < high and "iou/Nodule" not in result.intervals
    other = simulated(size=20, seed=1)
    other.patients = given.patients
    assert Grounding(DATA, replicates=50).evaluate(other).draws.judged["boxes"] != result.draws.judged["boxes"]


def test_each_map_is_listed():
    given = simulated(size=5)
    listed = Grounding(DATA).listed(given)
    assert len(set(map(len, listed.values()))) == 1 and set(listed["finding"]) <= set(NAMES)
    np.testing.assert_array_equal(listed["row"], given.fields["boxed"][:, 0] + 10)


def test_a_threshold_out_of_range_is_refused():
    with pytest.raises(ConfigError, match="threshold 1 of evaluator 'grounding' is out of range"):
        Grounding(DATA, threshold=1)

"""Boxes and masks agree with each other, with the labels, and with the pixels."""

import numpy as np
import pytest

from medvl.datasets.phantom.anatomy import draw_torso
from medvl.datasets.phantom.cases import LABELS, draw_studies
from medvl.datasets.phantom.dataset import Phantom
from medvl.datasets.phantom.random import Draws, keys
from medvl.datasets.phantom.render import draw_scene, render
from medvl.errors import DataError

SIZE = 128
PLACED = [label for label in LABELS if label != "No Finding"]


@pytest.fixture(scope="module", params=["a", "b"])
def phantom(request: pytest.FixtureRequest) -> Phantom:
    return Phantom(patients=260, seed=3, resolution=SIZE, site=request.param)


@pytest.fixture(scope="module")
def rows(phantom: Phantom) -> list[dict]:
    return phantom.table().to_pylist()


@pytest.mark.parametrize("label", PLACED)
def test_boxes_are_tight_around_masks(phantom: Phantom, rows: list[dict], label: str) -> None:
    """Each side of the boxes' hull is within a pixel of the mask's; no pixel of the mask is outside all boxes."""
    chosen = [row for row in rows if any(box["label"] == label for box in row["boxes"])][:25]
    assert len(chosen) > 8
    for row in chosen:
        mask = phantom.read_mask(row["image"], label)
        boxes = [box for box in row["boxes"] if box["label"] == label]
        covered = np.zeros_like(mask)
        for box in boxes:
            ends = np.array([box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]]) * SIZE
            left, top = np.floor(ends[:2]).astype(int)
            right, bottom = np.ceil(ends[2:]).astype(int)
            inside = mask[top:bottom, left:right]
            covered[top:bottom, left:right] = True
            ys, xs = np.nonzero(inside)
            found = np.array([xs.min() + left, ys.min() + top, xs.max() + left + 1, ys.max() + top + 1])
            if len(boxes) == 1:
                np.testing.assert_allclose(found, ends, atol=1.3)
        assert not (mask & ~covered).any()


def test_boxes_are_where_the_labels_say(rows: list[dict]) -> None:
    for row in rows:
        boxed = {box["label"] for box in row["boxes"]}
        labelled = {label for label in PLACED if row[f"label.{label}"] in (1, -1)}
        assert boxed <= labelled
        if row["view"] != "LATERAL":
            assert boxed == labelled
        for box in row["boxes"]:
            assert box["x"] >= 0 and box["y"] >= 0 and box["width"] > 0 and box["height"] > 0
            assert box["x"] + box["width"] <= 1 + 1e-6 and box["y"] + box["height"] <= 1 + 1e-6


def test_masks_are_empty_exactly_where_nothing_is_boxed(phantom: Phantom, rows: list[dict]) -> None:
    for row in rows[:40]:
        boxed = {box["label"] for box in row["boxes"]}
        for label in LABELS:
            mask = phantom.read_mask(row["image"], label)
            assert mask.shape == (SIZE, SIZE) and mask.dtype == bool
            assert mask.any() == (label in boxed)


@pytest.mark.parametrize(
    ("sign", "label", "brighter"),
    [
        ("focal", "Consolidation", True),
        ("focal", "Pneumonia", True),
        ("diffuse", "Edema", True),
        ("heart", "Cardiomegaly", True),
        ("effusion", "Pleural Effusion", True),
        ("pneumothorax", "Pneumothorax", False),
    ],
)
def test_a_finding_changes_the_pixels_where_its_mask_is(
    phantom: Phantom, sign: str, label: str, brighter: bool
) -> None:
    """The same patients drawn with and without one sign."""
    studies = draw_studies(phantom.seed, np.arange(phantom.patients), phantom.site)
    views = studies.anteroposterior.astype(np.int64)
    shown = [
        k
        for k in np.flatnonzero(getattr(studies, sign) > 0.5)
        if phantom.read_mask(_reference(studies, views, k), label).any()
    ][:8]
    with_sign = studies.take(np.array(shown))
    without = with_sign.take(np.arange(len(shown)))
    object.__setattr__(without, sign, np.zeros(len(shown)))
    views = views[shown]
    scenes = [draw_scene(phantom.seed, some, views, phantom.site) for some in (with_sign, without)]
    images = [render(scene, SIZE).astype(float) for scene in scenes]
    for row, k in enumerate(shown):
        mask = phantom.read_mask(_reference(studies, studies.anteroposterior.astype(np.int64), k), label)
        change = (images[0] - images[1])[row]
        assert (change[mask].mean() > 3) if brighter else (change[mask].mean() < -1)
        assert abs(change[~mask].mean()) < 0.6 * abs(change[mask].mean())


def _reference(studies, views, row: int) -> str:
    return f"phantom/{studies.patient[row]:06d}/s{studies.study[row]:02d}/{('PA', 'AP')[views[row]]}"


def test_an_enlarged_heart_is_wider_than_half_the_chest() -> None:
    patients = np.arange(200)
    person, image = Draws(keys(0, patients)), Draws(keys(0, patients, patients))
    ratios = []
    for severity in (0.0, 1.0):
        torso = draw_torso(person, image, np.full(200, severity), np.zeros(200, dtype=bool))
        ratios.append(((torso.heart_left + torso.heart_right) / (2 * torso.lung)).ravel())
    assert np.median(ratios[0]) < 0.5 < np.quantile(ratios[1], 0.02)


def test_an_unknown_label_is_refused_with_the_nearest(phantom: Phantom, rows: list[dict]) -> None:
    with pytest.raises(DataError, match="did you mean 'Pneumonia'"):
        phantom.read_mask(rows[0]["image"], "Pneumonja")
    with pytest.raises(DataError, match="no image"):
        phantom.read_mask("phantom/000000/s09/PA", "Pneumonia")


def test_masks_of_many_images_are_those_of_each(phantom: Phantom) -> None:
    references = phantom.table()["image"].to_pylist()[:12]
    for label in phantom.masks:
        many = phantom.read_masks(references, label)
        assert all(
            np.array_equal(one, phantom.read_mask(name, label)) for one, name in zip(many, references, strict=True)
        )
    with pytest.raises(DataError, match="no image 'phantom/999999/s01/PA'"):
        phantom.read_masks([*references, "phantom/999999/s01/PA"], "Pneumonia")

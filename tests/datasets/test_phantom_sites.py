"""Site a is the phantom as it always was; site b is another hospital, where labels mean the same."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score

from medvl.datasets.phantom.cases import LABELS
from medvl.datasets.phantom.dataset import Phantom
from medvl.datasets.phantom.sites import SITES

# Of the table (less its boxes) before there were sites: 12 patients, seed 5.
_TABLE_BEFORE = "8b2b76d9e02c4be304464454f247a3bf75a9ddaed18838a94e5755ad4dff9748"
_SIDES = ("x", "y", "width", "height")


class Front:
    """The front views of one site: rows of the table, pixels (N, 32, 32) in [0, 1], labels (N, K) 0 or 1."""

    def __init__(self, site: str):
        phantom = Phantom(patients=700, resolution=32, site=site)
        self.table = phantom.table().to_pylist()
        self.rows = [row for row in self.table if row["view"] != "LATERAL"]
        self.pixels = np.stack(phantom.read_images([row["image"] for row in self.rows])) / 255.0
        self.labels = np.array([[row[f"label.{label}"] == 1 for label in LABELS] for row in self.rows])
        self.train = np.array([row["split"] == "train" for row in self.rows])


@pytest.fixture(scope="module")
def a() -> Front:
    return Front("a")


@pytest.fixture(scope="module")
def b() -> Front:
    return Front("b")


def test_site_a_is_the_phantom_before_there_were_sites() -> None:
    """The stored pixels were drawn by the code before; one gray level of rounding is left to other processors."""
    phantom = Phantom(patients=12, seed=5, resolution=32)
    table = phantom.table()
    words = json.dumps(table.drop_columns(["boxes"]).to_pydict())
    assert hashlib.sha256(words.encode()).hexdigest() == _TABLE_BEFORE
    before = np.load(Path(__file__).with_name("phantom_site_a.npz"))
    pixels = np.stack(phantom.read_images(table["image"].to_pylist())).astype(int)
    assert np.abs(pixels - before["pixels"]).max() <= 1
    assert (pixels == before["pixels"]).mean() > 0.999
    boxes = np.array([[box[side] for side in _SIDES] for row in table["boxes"].to_pylist() for box in row])
    np.testing.assert_allclose(boxes, before["boxes"], atol=1e-5)


def test_contexts_are_shares_and_rates_stay_probabilities() -> None:
    for site in SITES.values():
        assert sum(site.contexts) == pytest.approx(1)
        assert all(0 < share < 1 for share in site.portable)
        assert all(0 < factor < 1.8 for factor in site.rates.values())


def test_other_patients_come_to_site_b(a: Front, b: Front) -> None:
    texts = [{(row["text.indication"], row["text.findings"]) for row in site.table[:100]} for site in (a, b)]
    assert len(texts[0] & texts[1]) < 5
    shares = [[row["view"] for row in site.table].count("AP") / len(site.table) for site in (a, b)]
    assert shares[0] > 0.3 and shares[1] < 0.2
    prevalence = [dict(zip(LABELS, site.labels.mean(0), strict=True)) for site in (a, b)]
    assert prevalence[1]["Cardiomegaly"] > 1.2 * prevalence[0]["Cardiomegaly"]
    assert prevalence[1]["Edema"] < 0.85 * prevalence[0]["Edema"]
    assert all(0.02 < share < 0.45 for share in prevalence[1].values())


def test_the_pixels_tell_the_sites_apart(a: Front, b: Front) -> None:
    """By brightness, and by the noise of an empty corner."""
    brightness = [site.pixels.mean((1, 2)) for site in (a, b)]
    corner = [site.pixels[:, :3, :3].std((1, 2)) for site in (a, b)]
    which = np.repeat([0, 1], [len(a.rows), len(b.rows)])
    for statistic in (brightness, corner):
        assert roc_auc_score(which, np.concatenate(statistic)) > 0.8


@pytest.mark.parametrize(
    ("label", "at_home", "abroad"),
    [("Cardiomegaly", 0.95, 0.85), ("Pleural Effusion", 0.90, 0.80), ("Edema", 0.88, 0.75)],
)
def test_labels_are_learnable_at_b_and_mean_the_same(a: Front, b: Front, label: str, at_home: float, abroad: float):
    """A linear classifier of b's pixels works at b; one of a's pixels still knows the label there."""
    k = LABELS.index(label)
    scores = []
    for source in (b, a):
        linear = RidgeClassifier(30.0).fit(
            source.pixels[source.train].reshape(-1, 1024), source.labels[source.train, k]
        )
        test = b.pixels[~b.train].reshape(-1, 1024)
        scores.append(roc_auc_score(b.labels[~b.train, k], linear.decision_function(test)))
    assert scores[0] > at_home and scores[1] > abroad

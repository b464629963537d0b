import os

import numpy as np
import pytest
from PIL import Image

from medvl.datasets.fakes import montgomery as fake_montgomery
from medvl.datasets.fakes import shenzhen as fake_shenzhen
from medvl.datasets.tuberculosis.montgomery import Montgomery
from medvl.datasets.tuberculosis.shenzhen import Shenzhen
from medvl.errors import DataError

PATIENTS = 24


@pytest.fixture(scope="module")
def shenzhen(tmp_path_factory):
    parameters = fake_shenzhen.write(tmp_path_factory.mktemp("shenzhen"), patients=PATIENTS, seed=3)
    assert parameters.pop("name") == "shenzhen"
    return Shenzhen(**parameters)


@pytest.fixture(scope="module")
def montgomery(tmp_path_factory):
    parameters = fake_montgomery.write(tmp_path_factory.mktemp("montgomery"), patients=PATIENTS, seed=3)
    assert parameters.pop("name") == "montgomery"
    return Montgomery(**parameters)


@pytest.fixture(params=["shenzhen", "montgomery"])
def dataset(request):
    return request.getfixturevalue(request.param)


def test_the_label_is_the_last_digit_and_nothing_else_is_an_image(dataset):
    table = dataset.table()
    assert (dataset.root / "CXR_png" / "Thumbs.db").exists()
    assert table.num_rows == PATIENTS == len(set(table["patient"].to_pylist()))
    labels = table["label.Tuberculosis"].to_pylist()
    assert labels == [int(reference[-5]) for reference in table["image"].to_pylist()]
    assert set(labels) == {0, 1} and labels not in (sorted(labels), sorted(labels, reverse=True))
    assert all(
        f"_{label}.png" not in patient for patient, label in zip(table["patient"].to_pylist(), labels, strict=True)
    )


def test_every_image_is_read_whatever_its_mode(dataset):
    modes = set()
    for reference in dataset.table()["image"].to_pylist():
        with Image.open(dataset.root / reference) as image:
            modes.add(image.mode)
        pixels = dataset.read_image(reference)
        assert pixels.ndim == 2 and pixels.dtype == np.uint8 and pixels.std() > 20
    assert modes >= ({"P", "RGB"} if isinstance(dataset, Shenzhen) else {"L", "I;16"})


def test_readings_tell_sex_age_and_the_label_in_words(dataset):
    rows = dataset.table().to_pylist()
    assert dataset.sections == ("demographics", "reading")
    for row in rows:
        if row["text.reading"] is not None:
            assert ("normal" in row["text.reading"]) == (row["label.Tuberculosis"] == 0)
            assert not any(word in row["text.reading"] for word in ("male ", "yrs", "Patient"))
        if row["text.demographics"] is not None:
            assert row["sex"] in ("F", "M") and (row["sex"] == "F") == ("female" in row["text.demographics"])
            assert 0 <= row["age"] <= 90
    assert {row["sex"] for row in rows} >= {"F", "M"}


def test_readings_may_be_missing(shenzhen):
    rows = shenzhen.table().to_pylist()
    assert any(row["text.demographics"] is None for row in rows)
    assert any(row["text.demographics"] is not None and row["text.reading"] is None for row in rows)


def test_without_readings_at_all(tmp_path):
    folder = tmp_path / "CXR_png"
    folder.mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "MCUCXR_0001_1.png")
    row = Montgomery(root=tmp_path).table().to_pylist()[0]
    assert row["label.Tuberculosis"] == 1 and row["text.reading"] is None and row["view"] == "PA"


@pytest.mark.parametrize(
    "name", ["MCUCXR_0001.png", "MCUCXR_0001_2.png", "aug0_MCUCXR_0001_0.png", "CHNCXR_0001_0.png"]
)
def test_a_png_without_a_label_is_refused(tmp_path, name):
    (tmp_path / "CXR_png").mkdir()
    (tmp_path / "CXR_png" / name).write_bytes(b"")
    with pytest.raises(DataError, match=rf"1 images are not named as MCUCXR_0001_0.png, first '{name}'"):
        Montgomery(root=tmp_path).table()


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(DataError, match=r"CXR_png: there is no such folder.*lhncbc.nlm.nih.gov"):
        Shenzhen(root=tmp_path).table()
    (tmp_path / "CXR_png").mkdir()
    with pytest.raises(DataError, match=r"holds no .png"):
        Shenzhen(root=tmp_path).table()


def test_lung_masks(montgomery):
    reference = montgomery.table()["image"][0].as_py()
    left, right, both = (montgomery.read_mask(reference, name) for name in ("Left Lung", "Right Lung", "Lungs"))
    assert left.shape == montgomery.read_image(reference).shape and left.dtype == bool
    assert np.argwhere(left)[:, 1].mean() > np.argwhere(right)[:, 1].mean(), "the patient's left is on the right"
    assert np.array_equal(both, left | right)
    with pytest.raises(DataError, match="unknown mask 'Lung'"):
        montgomery.read_mask(reference, "Lung")
    with pytest.raises(DataError, match=r"MCUCXR_9999_0.png: there is no such mask"):
        montgomery.read_mask("CXR_png/MCUCXR_9999_0.png", "Lungs")


def test_shenzhen_has_no_lung_masks(shenzhen):
    with pytest.raises(DataError, match="has no masks"):
        shenzhen.read_mask(shenzhen.table()["image"][0].as_py(), "Lungs")


def test_only_the_protocol_gives_a_split(shenzhen, montgomery):
    assert "split" not in shenzhen.table().column_names and "split" not in montgomery.table().column_names


def official_names(root):
    """Empty files named as the official ones: 326 normal, 336 with tuberculosis."""
    (root / "CXR_png").mkdir()
    for number in range(662):
        (root / "CXR_png" / f"CHNCXR_{number + 1:04d}_{int(number >= 326)}.png").touch()
    return root


def test_the_shares_of_moco_cxr(tmp_path):
    root = official_names(tmp_path)
    tables = [Shenzhen(root=root, protocol="moco_cxr", draw=draw).table() for draw in (0, 0, 1)]
    first, again, other = (table["split"].to_pylist() for table in tables)
    assert first == again != other
    assert {name: first.count(name) for name in ("train", "val", "test")} == Shenzhen.expectations["moco_cxr"]
    labels = tables[0]["label.Tuberculosis"].to_pylist()
    for split in ("train", "val", "test"):
        mine = [label for label, name in zip(labels, first, strict=True) if name == split]
        assert 0.9 < mine.count(0) / mine.count(1) < 1.2, "the bounds of MoCo-CXR's script"
    assert Shenzhen(root=root).official["images"] == tables[0].num_rows


def test_fingerprint_follows_protocol_and_readings(tmp_path):
    root = official_names(tmp_path)
    first = Shenzhen(root=root).fingerprint()
    assert first == Shenzhen(root=root).fingerprint()
    assert first != Shenzhen(root=root, protocol="moco_cxr").fingerprint()
    (root / "ClinicalReadings").mkdir()
    (root / "ClinicalReadings" / "CHNCXR_0001_0.txt").write_text("male 45yrs\nnormal")
    assert first != Shenzhen(root=root).fingerprint()


def test_masks_that_change_are_read_again(montgomery):
    before = montgomery.mask_fingerprint()
    path = next((montgomery.root / "ManualMask" / "leftMask").glob("*.png"))
    os.utime(path, (1, 1))
    fresh = Montgomery(root=montgomery.root)
    assert fresh.mask_fingerprint() != before and fresh.fingerprint() == montgomery.fingerprint()

"""`medvl data stats`: the right counts, in files and in a picture."""

import csv

import pytest
from PIL import Image


@pytest.fixture
def counted(root, data, tmp_path):
    output = data("stats", "ward", f"root={root}", "--out", tmp_path / "out")
    return output, tmp_path / "out"


def cells(folder, name):
    """first column -> the other cells of its row."""
    rows = list(csv.reader((folder / f"{name}.csv").open()))[1:]
    return {first: others for first, *others in rows}


def test_units_labels_views_and_texts(counted):
    _, folder = counted
    assert cells(folder, "units") == {
        "all": ["12", "6", "6"], "train": ["6", "3", "3"], "val": ["2", "1", "1"], "test": ["4", "2", "2"]
    }  # fmt: skip
    assert cells(folder, "labels")["Edema"] == ["4", "2", "4", "2"]  # positive, uncertain, negative, not mentioned
    assert cells(folder, "views")["PA"] == ["6", "50.0%"]
    assert cells(folder, "texts")["indication"][:2] == ["2", "33.3%"]  # of studies
    assert cells(folder, "texts")["findings"] == ["0", "0.0%", "4", "4", "4", "4"]
    assert cells(folder, "ages")["years"] == ["2", "41", "42", "43", "44", "45"]


def test_prevalence_under_every_policy(counted):
    _, folder = counted
    header = next(csv.reader((folder / "prevalence.csv").open()))
    edema = dict(zip(header[1:], cells(folder, "prevalence")["Edema"], strict=True))
    assert edema["positive_vs_rest = zeros"] == "33.3%"  # 4 of 12
    assert edema["ones"] == "50.0%"  # 6 of 12
    assert edema["ignore = multi_class"] == "40.0%"  # 4 of 10
    assert edema["ignore, blank ignored"] == "50.0%"  # 4 of 8


def test_the_picture_and_the_tables_in_one(counted):
    output, folder = counted
    with Image.open(folder / "stats.png") as picture:
        assert picture.format == "PNG" and picture.width > 1000
    page = (folder / "stats.md").read_text()
    assert page.count("### ") == 6
    assert "images of a patient: 2.00 on average, 2 at most" in page
    assert str(folder / "stats.png") in output


def test_nothing_that_was_written_or_who_it_was_is_told(counted):
    output, folder = counted
    told = output + "".join(path.read_text() for path in folder.glob("*.[cm]*"))
    assert "mysterious" not in told and "cough" not in told and "secret" not in told


def test_a_cohort_alone(root, data, tmp_path):
    data("stats", "ward", f"root={root}", "only={view: [PA]}", "--out", tmp_path / "out")
    assert cells(tmp_path / "out", "units")["all"] == ["6", "6", "6"]


def test_a_dataset_without_labels_and_texts(root, data, tmp_path):
    images = f"path={root / 'ward.csv'}"
    data("stats", "folder", images, "--out", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"units.csv", "views.csv", "stats.md", "stats.png"}
    assert cells(tmp_path / "out", "views") == {"not given": ["12", "100.0%"]}

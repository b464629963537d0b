import csv
import gzip
import shutil

import numpy as np
import pytest
from PIL import Image

from medvl.data.dataset import SPLITS
from medvl.data.patients import require_disjoint
from medvl.datasets.fakes.nih14 import write
from medvl.datasets.nih14.dataset import NIH14
from medvl.datasets.phantom.dataset import Phantom
from medvl.errors import ConfigError, DataError

INDEX = "Data_Entry_2017_v2020.csv"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("nih14")
    assert write(out, patients=40, seed=0) == {"name": "nih14", "root": str(out)}
    return out


@pytest.fixture(scope="module")
def table(root):
    return NIH14(root=root).table()


@pytest.fixture
def index(root, tmp_path):
    """A copy without images, for a test to damage."""
    for path in root.glob("*.*"):
        shutil.copy(path, tmp_path)
    return tmp_path


def rows_of_file(root, name=INDEX):
    with (root / name).open(newline="") as file:
        return list(csv.DictReader(file))


def splits(table):
    return dict(zip(table["image"].to_pylist(), table["split"].to_pylist(), strict=True))


def test_the_table_says_what_the_index_says(root, table):
    written = rows_of_file(root)
    assert list(written[0])[7:] == ["OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]"]
    assert table.num_rows == len(written)
    for row, found in zip(written, table.to_pylist(), strict=True):
        named = row["Finding Labels"].split("|")
        assert found["image"] == row["Image Index"] and found["patient"] == row["Patient ID"]
        assert found["study"] == f"{row['Patient ID']}/{row['Follow-up #']}"
        assert (found["view"], found["age"], found["sex"]) == (
            row["View Position"], int(row["Patient Age"]), row["Patient Gender"],
        )  # fmt: skip
        assert {n: found[f"label.{n}"] for n in NIH14.labels} == {n: int(n in named) for n in NIH14.labels}
    joined = [row["Finding Labels"] for row in written]
    assert any("|" in cell for cell in joined) and "No Finding" in joined
    assert all(1 in table[f"label.{name}"].to_pylist() for name in NIH14.labels)


def test_the_follow_up_number_is_not_the_one_in_the_name(table):
    studies = [study.partition("/")[2] for study in table["study"].to_pylist()]
    names = [int(name[9:12]) for name in table["image"].to_pylist()]
    assert any(int(study) != name for study, name in zip(studies, names, strict=True))
    assert len(set(table["study"].to_pylist())) == table.num_rows


@pytest.mark.parametrize("release", ["v1", "sample"])
def test_other_releases(root, table, release):
    old = NIH14(root=root, release=release).table()
    new = {row["image"]: row for row in table.to_pylist()}
    gained = [
        (row["image"], name)
        for row in old.to_pylist()
        for name in NIH14.labels
        if row[f"label.{name}"] != new[row["image"]][f"label.{name}"]
    ]
    assert gained and all(new[image][f"label.{name}"] == 1 for image, name in gained)
    assert old.num_rows == len(new) if release == "v1" else 0 < old.num_rows < len(new)
    ages = {row["image"]: row["age"] for row in old.to_pylist()}
    impossible = list(new)[2]
    assert ages[impossible] is None and new[impossible]["age"] is not None
    assert any(age not in (None, new[image]["age"]) for image, age in ages.items())


def test_ages_as_text(root):
    written = {row["Image Index"]: row["Patient Age"] for row in rows_of_file(root, "sample_labels.csv")}
    ages = {r["image"]: r["age"] for r in NIH14(root=root, release="sample").table().to_pylist()}
    assert list(written.values())[:3] == ["013M", "014D", "411Y"]
    assert list(ages.values())[:3] == [1, 0, None]
    assert all(ages[name] == int(text[:3]) for name, text in list(written.items())[3:])


def test_the_header_says_sex_in_later_downloads(index, table):
    path = index / INDEX
    path.write_text(path.read_text().replace("Patient Gender", "Patient Sex"))
    assert NIH14(root=index).table().equals(table)


def test_a_packed_index(index, table):
    (index / (INDEX + ".gz")).write_bytes(gzip.compress((index / INDEX).read_bytes()))
    (index / INDEX).unlink()
    assert NIH14(root=index).table().equals(table)


def test_boxes_are_fractions_of_the_original(root, table):
    header = (root / "BBox_List_2017.csv").read_text().splitlines()
    assert header[0].count(",") == 8 and header[1].count(",") == 5
    boxes = dict(zip(table["image"].to_pylist(), table["boxes"].to_pylist(), strict=True))
    written = [line.split(",") for line in header[1:]]
    assert sum(map(len, boxes.values())) == len(written) > 5
    assert "Infiltrate" in {row[1] for row in written}
    for name, label, *sides in written:
        expected = [float(side) / 1024 for side in sides]
        label = {"Infiltrate": "Infiltration"}.get(label, label)
        same = [box for box in boxes[name] if box["label"] == label]
        assert any(np.allclose([box[side] for side in ("x", "y", "width", "height")], expected) for box in same)
    labels = {row["image"]: row for row in table.to_pylist()}
    assert all(labels[name][f"label.{box['label']}"] == 1 for name, found in boxes.items() for box in found)
    assert {splits(table)[name] for name, found in boxes.items() if found} == {"test"}


def test_boxes_of_images_that_are_not_in_the_index_are_left_out(root, table):
    every = dict(zip(table["image"].to_pylist(), table["boxes"].to_pylist(), strict=True))
    sample = NIH14(root=root, release="sample").table()
    assert sample["boxes"].to_pylist() == [every[name] for name in sample["image"].to_pylist()]
    assert 0 < sum(map(len, sample["boxes"].to_pylist())) < sum(map(len, every.values()))


def test_boxes_lie_where_the_phantom_drew_them(root, table):
    phantom = Phantom(patients=40, seed=0).table().to_pylist()
    names = [row["image"] for row in table.to_pylist()]
    drawn = dict(zip(names, [row for row in phantom if row["view"] != "LATERAL"], strict=True))
    hearts = [
        (box, next(b for b in drawn[name]["boxes"] if b["label"] == "Cardiomegaly"))
        for name, found in zip(names, table["boxes"].to_pylist(), strict=True)
        for box in found
        if box["label"] == "Cardiomegaly"
    ]
    assert hearts
    for found, original in hearts:
        np.testing.assert_allclose([found[s] for s in ("x", "width")], [original[s] for s in ("x", "width")], atol=1e-6)


def test_without_the_file_of_boxes_there_is_no_column(index):
    (index / "BBox_List_2017.csv").unlink()
    dataset = NIH14(root=index)
    assert "boxes" not in dataset.table().column_names
    assert [s.path.name for s in dataset.sources() if not s.present and not s.needed] == ["BBox_List_2017.csv"]


def test_the_official_split_is_kept_and_val_is_carved_by_patient(root, table):
    found = splits(table)
    test = (root / "test_list.txt").read_text()
    assert not test.endswith("\n")
    assert {name for name, split in found.items() if split == "test"} == set(test.split())
    whole = splits(NIH14(root=root, validation=0.0).table())
    assert set(whole.values()) == {"train", "test"}
    assert {n for n, split in whole.items() if split == "test"} == set(test.split())
    for seed in (0, 1):
        carved = NIH14(root=root, validation=0.3, seed=seed).table()
        require_disjoint(carved, np.array([SPLITS.index(s) for s in carved["split"].to_pylist()], np.int8))
        assert set(carved["split"].to_pylist()) == set(SPLITS)
    assert splits(carved) != splits(NIH14(root=root, validation=0.3, seed=0).table())


@pytest.mark.parametrize("protocol", ["chexnet", "mrm"])
def test_published_lists_are_another_split(root, table, protocol):
    dataset = NIH14(root=root, protocol=protocol, lists=root / "lists")
    found = splits(dataset.table())
    for split in SPLITS:
        lines = (root / "lists" / f"{split}_list.txt").read_text().splitlines()
        assert {line.split()[0] for line in lines} == {name for name, side in found.items() if side == split}
        assert all(len(line.split()) == 15 for line in lines)
    assert found != splits(table)
    assert dataset.expectations[protocol] == {"train": 78_468, "val": 11_219, "test": 22_433}
    assert sum(dataset.expectations[protocol].values()) == dataset.official["images"] == 112_120


def test_a_list_of_a_few_to_learn_from(root, tmp_path):
    shutil.copytree(root / "lists", tmp_path / "lists")
    train = (tmp_path / "lists" / "train_list.txt").read_text().splitlines()
    (tmp_path / "lists" / "train_10.txt").write_text("\n".join(train[::10]))
    few = NIH14(root=root, protocol="mrm", lists=tmp_path / "lists", train_list="train_10.txt").table()
    assert few["split"].to_pylist().count("train") == len(train[::10])


def test_no_split_at_all(root, table):
    drawn = NIH14(root=root, protocol="drawn")
    assert "split" not in drawn.table().column_names
    assert drawn.table().num_rows == table.num_rows


def test_images_in_folders_or_in_one(root, table, tmp_path):
    references = table["image"].to_pylist()
    spread = NIH14(root=root)
    assert {spread.image_path(name).parent.parent.name for name in references} == {"images_001", "images_002"}
    assert spread.missing([*references, "00099999_000.png"]) == [len(references)]
    for flat in (tmp_path / "images", tmp_path):
        flat.mkdir(exist_ok=True)
        for name in references:
            shutil.copy(spread.image_path(name), flat)
        assert NIH14(root=tmp_path).missing(references) == []
        shutil.rmtree(tmp_path / "images", ignore_errors=True)


def test_rgba_images_are_read_as_gray(root, table):
    dataset = NIH14(root=root)
    modes = {}
    for name in table["image"].to_pylist():
        with Image.open(dataset.image_path(name)) as image:
            modes.setdefault(image.mode, name)
    assert set(modes) == {"L", "RGBA"}
    with Image.open(dataset.image_path(modes["RGBA"])) as image:
        np.testing.assert_array_equal(dataset.read_image(modes["RGBA"]), np.asarray(image)[:, :, 0])


def test_a_missing_index_names_the_release_that_is_there(index):
    (index / INDEX).unlink()
    with pytest.raises(DataError, match=r"v2020.csv: there is no such file. do: set release: v1, whose index is there"):
        NIH14(root=index).table()
    (index / "test_list.txt").unlink()
    with pytest.raises(
        DataError, match=r"test_list.txt: there is no such list of images. do: obtain it: https://nihcc"
    ):
        NIH14(root=index, release="v1").table()


def test_images_in_neither_list(index):
    path = index / "train_val_list.txt"
    path.write_text("\n".join(path.read_text().split()[1:]))
    with pytest.raises(DataError, match=r"1 images of .* are in neither of"):
        NIH14(root=index).table()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Pleural_Thickening", "Pleural Thickening", r"line \d+: unknown finding 'Pleural Thickening'. did you mean"),
        ("00000001_000.png", "", "line 2, column 'Image Index': is blank"),
        ("00000001_001.png", "00000001_000.png", r"has \d+ rows for \d+ images"),
    ],
)
def test_a_damaged_index_is_refused(index, old, new, reason):
    path = index / INDEX
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=reason):
        NIH14(root=index).table()


def test_a_box_without_numbers_is_refused(index):
    path = index / "BBox_List_2017.csv"
    lines = path.read_text().splitlines()
    lines[1] = lines[1].rpartition(",")[0] + ",wide"
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="a side of a box is not a number"):
        NIH14(root=index).table()


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"protocol": "chexnett"}, "did you mean 'chexnet'"),
        ({"release": "v2"}, "known: sample, v1, v2020"),
        ({"protocol": "mrm"}, "protocol mrm reads published lists. do: take the three lists from https"),
        ({"lists": "lists"}, "lists are for the protocols chexnet and mrm"),
        ({"validation": 1.0}, "a share of the patients in"),
    ],
)
def test_parameters_that_do_not_go_together(parameters, reason):
    with pytest.raises(ConfigError, match=reason):
        NIH14(root="x", **parameters)


def test_sources_follow_the_protocol(root):
    dataset = NIH14(root=root)
    assert all(source.present for source in dataset.sources())
    assert {"train_val_list.txt", "test_list.txt"} <= {source.path.name for source in dataset.sources()}
    published = NIH14(root=root, protocol="mrm", lists=root / "lists").sources()
    assert "val_list.txt" in {source.path.name for source in published}


def test_a_small_miniature(tmp_path):
    with pytest.raises(ConfigError, match="at least 5 patients"):
        write(tmp_path, patients=4, seed=0)
    write(tmp_path, patients=5, seed=1)
    assert {"train", "test"} <= set(NIH14(root=tmp_path).table()["split"].to_pylist())

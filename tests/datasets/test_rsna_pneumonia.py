import json
import shutil
from collections import Counter

import numpy as np
import pytest

from medvl.datasets.fakes.rsna_pneumonia import write
from medvl.datasets.rsna_pneumonia import tables
from medvl.datasets.rsna_pneumonia.dataset import RsnaPneumonia
from medvl.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    root = tmp_path_factory.mktemp("rsna")
    parameters = write(root, patients=14, seed=3)
    assert parameters.pop("name") == "rsna_pneumonia"
    return RsnaPneumonia(**parameters)


@pytest.fixture
def copy(release, tmp_path):
    """The index files alone, to be spoilt."""
    for path in release.root.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    shutil.copytree(release.root / "mrm", tmp_path / "mrm")
    return tmp_path


def official_rows(root):
    lines = (root / tables.LABELS).read_text().splitlines()[1:]
    return [line.split(",") for line in lines]


def test_several_rows_of_an_image_become_one_with_boxes_as_fractions(release):
    table, rows = release.table(), official_rows(release.root)
    counts = Counter(name for name, *_ in rows)
    assert set(counts.values()) == {1, 2, 3, 4}, "the miniature must have every number of rows"
    assert table["patient"].to_pylist() == list(counts)
    for name, label, boxes in zip(*(table[c].to_pylist() for c in ("study", "label.Pneumonia", "boxes")), strict=True):
        mine = [[float(side) for side in sides] for other, *sides, target in rows if other == name and target == "1"]
        assert label == bool(mine)
        found = [[box[side] * 1024 for side in ("x", "y", "width", "height")] for box in boxes]
        assert np.allclose(np.array(found).reshape(-1, 4), np.array(mine).reshape(-1, 4), atol=1e-3)
        assert all(box["label"] == "Pneumonia" for box in boxes)


def test_images_are_there_and_bright_where_bone_is(release):
    references = release.table()["image"].to_pylist()
    assert release.missing(references) == []
    image = release.read_image(references[0])
    assert image.shape == (1024, 1024) and image.dtype == np.uint8 and image.std() > 20


def test_without_the_mapping_each_image_is_a_patient_and_with_it_patients_are_told_apart(release):
    assert len(set(release.table()["patient"].to_pylist())) == release.table().num_rows
    table = RsnaPneumonia(root=release.root, patient_from="nih").table()
    entries = json.loads((release.root / tables.MAPPING).read_text())
    patients = {entry["subset_img_id"]: entry["img_id"][:8] for entry in entries}
    assert table["patient"].to_pylist() == [patients[name] for name in table["study"].to_pylist()]
    assert len(set(table["patient"].to_pylist())) < table.num_rows


def test_views_and_ages_come_from_the_headers_where_they_are(release, copy):
    table = release.table()
    assert set(table["view"].to_pylist()) == {"PA", "AP"}
    assert table["age"].to_pylist().count(None) == 1, "155 years are not an age"
    assert set(table["sex"].to_pylist()) == {"F"}
    (copy / tables.HEADERS).unlink()
    without = RsnaPneumonia(root=copy).table()
    assert set(without["view"].to_pylist()) == {None} and "age" not in without.column_names


def test_three_classes(release):
    dataset = RsnaPneumonia(root=release.root, target="classes")
    table = dataset.table()
    assert dataset.labels == ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")
    states = np.array([table[f"label.{name}"].to_pylist() for name in dataset.labels])
    assert (states.sum(0) == 1).all() and (states.sum(1) > 0).all()
    assert states[2].tolist() == release.table()["label.Pneumonia"].to_pylist()
    assert {box["label"] for boxes in table["boxes"].to_pylist() for box in boxes} == {"Lung Opacity"}


def test_mrm_lists_split_by_image_and_label_the_challenges_test_images(release):
    dataset = RsnaPneumonia(root=release.root, protocol="mrm")
    table = dataset.table()
    assert dataset.split_by == "image" and dataset.official == {}
    assert dataset.missing(table["image"].to_pylist()) == []
    assert set(table["split"].to_pylist()) == {"train", "val", "test"}
    labels = dict(zip(*(release.table()[c].to_pylist() for c in ("image", "label.Pneumonia")), strict=True))
    for row in table.to_pylist():
        if row["split"] == "test":
            assert row["image"].startswith("stage_2_test_images/") and row["boxes"] is None
            assert row["label.Pneumonia"] in (0, 1)
        else:
            assert row["label.Pneumonia"] == labels[row["image"]] == bool(row["boxes"])


def test_the_counts_of_owner_and_paper():
    dataset = RsnaPneumonia(root="nowhere")
    assert dataset.official == {"images": 26_684}
    assert dataset.expectations["mrm"]["train"] + dataset.expectations["mrm"]["val"] == 26_684
    assert dataset.expectations["mrm"]["test"] == 3_000


def test_mrm_lists_tell_no_classes():
    with pytest.raises(ConfigError, match="pneumonia alone"):
        RsnaPneumonia(root="nowhere", protocol="mrm", target="classes")


def append(path, line):
    path.write_text(path.read_text() + line + "\n")


@pytest.mark.parametrize("line", ["x,,,,,1", "x,1.0,1.0,1.0,1.0,0", "x,,,,,2", ",,,,,0", "x,1.0,,,,1"])
def test_rows_that_contradict_themselves_are_named(copy, line):
    rows = len(official_rows(copy))
    append(copy / tables.LABELS, line)
    with pytest.raises(DataError, match=f"{tables.LABELS}: line {rows + 2} "):
        RsnaPneumonia(root=copy).table()


@pytest.mark.parametrize(
    ("spoil", "parameters", "said"),
    [
        (lambda root: (root / tables.LABELS).unlink(), {}, "get it from https://www.kaggle.com"),
        (lambda root: append(root / tables.LABELS, "x,a,1,1,1,1"), {}, "not all numbers"),
        (lambda root: (root / tables.MAPPING).unlink(), {"patient_from": "nih"}, "patients cannot be told"),
        (lambda root: (root / tables.MAPPING).write_text("{}"), {"patient_from": "nih"}, "lacks"),
        (lambda root: (root / tables.MAPPING).write_text('["a"]'), {"patient_from": "nih"}, "is not a list of objects"),
        (lambda root: append(root / tables.CLASS_INFO, "x,Abnormal"), {"target": "classes"}, "column 'class'"),
        (lambda root: append(root / tables.LABELS, "x,,,,,0"), {"target": "classes"}, "lacks 1 of"),
        (
            lambda root: append(root / "mrm" / "val_list.txt", "stage_2_train_images/x.dcm 0 "),
            {"protocol": "mrm"},
            "1 training images",
        ),
    ],
)
def test_errors_say_what_to_do(copy, spoil, parameters, said):
    spoil(copy)
    with pytest.raises(DataError, match=r"do: ") as caught:
        RsnaPneumonia(root=copy, **parameters).table()
    assert said in str(caught.value) and str(copy) in str(caught.value)


def test_sources_name_what_is_needed(copy):
    plain = {source.path.name: source.needed for source in RsnaPneumonia(root=copy).sources()}
    assert plain[tables.LABELS] and not plain[tables.MAPPING] and not plain[tables.HEADERS]
    assert {source.path.name: source.needed for source in RsnaPneumonia(root=copy, patient_from="nih").sources()}[
        tables.MAPPING
    ]


def test_fingerprint_follows_the_files_that_are_read(copy):
    first = RsnaPneumonia(root=copy).fingerprint()
    append(copy / tables.MAPPING, "")
    assert RsnaPneumonia(root=copy).fingerprint() == first
    append(copy / tables.LABELS, "x,,,,,0")
    assert RsnaPneumonia(root=copy).fingerprint() != first

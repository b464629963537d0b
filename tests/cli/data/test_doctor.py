"""`medvl data doctor`: what is missing, what spoils results, what to do next."""

import shutil

import pytest
from PIL import Image

from medvl.data.patients import id_hash
from tests import small
from tests.cli.data import ward


@pytest.fixture
def doctor(root, data):
    return lambda *more, code=0: data("doctor", "ward", f"root={root}", *more, code=code)


def test_a_missing_file_is_named_with_where_it_is_obtained(root, doctor):
    (root / "ward.csv").unlink()
    output = doctor(code=1)
    assert f"missing: {root / 'ward.csv'}" in output and "obtained from: https://ward.example, after signing" in output
    assert f"optional: {root / 'boxes.csv'}" in output
    assert f"next: obtain what is missing, then once more: medvl data doctor ward root={root}" in output


def test_decoders_room_and_what_comes_next(root, doctor, data):
    output = doctor("accept=[undefined_metric]")
    assert "JPEG 2000" in output and "224 pixels" in output and "fits" in output
    assert "nothing suspicious was found" in output
    assert f"next: medvl data prepare ward root={root} 'accept=[undefined_metric]' --size 224" in output
    data("prepare", "ward", f"root={root}", "--size", 224)
    assert "there, or begun" in doctor()


def test_a_patient_on_two_sides_is_told_by_hash_and_spoils(root, doctor):
    rows = ward.rows_of(6)
    rows[1]["split"] = "test"
    ward.write_index(root, rows)
    output = doctor(code=1)
    assert "error: patient_on_two_sides: 1 of 6 patients" in output
    assert f"{id_hash('secret0')} in train and test" in output and "secret0" not in output
    assert "next:" not in output
    assert "warning: patient_on_two_sides" in doctor("split_by=image")  # the dataset says so itself
    assert "patient_on_two_sides:" not in doctor("accept=[patient_on_two_sides]")


def test_the_same_image_in_two_splits_and_within_one(root, doctor):
    shutil.copy(root / "images" / "0_0.png", root / "images" / "4_0.png")  # train and test
    shutil.copy(root / "images" / "1_0.png", root / "images" / "2_0.png")  # both in train, of two patients
    output = doctor(code=1)
    assert "error: same_image_twice: images that stand in two of train, val, test: 1 (" in output
    assert f"{id_hash('images/0_0.png')} = {id_hash('images/4_0.png')}" in output
    assert "images that are listed more than once within a split: 1, 1 of them under several patients" in output
    assert "same_image_twice:" not in doctor("--quick")
    assert "same_image_twice:" not in doctor("accept=[same_image_twice]")


def test_a_store_shows_a_picture_under_two_names_whose_files_differ(root, doctor, data):
    with Image.open(root / "images" / "0_0.png") as image:
        image.save(root / "images" / "4_0.png", compress_level=0)
    assert "same_image_twice:" not in doctor()
    data("prepare", "ward", f"root={root}", "--size", 32)
    assert "error: same_image_twice: images that stand in two of train, val, test: 1 (" in doctor(code=1)


def test_a_label_that_cannot_be_measured(doctor):
    output = doctor()
    assert "undefined_metric: test has no positive case of Pneumonia" in output
    assert "of Pneumonia" not in doctor("labels={names: [Edema]}")
    assert "undefined_metric:" not in doctor("accept=[undefined_metric]")


def test_labels_that_the_text_was_mined_for(doctor):
    assert "warning: label_in_text: the labels were mined from findings, and the model reads findings" in doctor(
        "text=findings"
    )
    assert "label_in_text" not in doctor("text=indication")


def experiment(tmp_path, root, **changes):
    data = {"name": "ward", "root": str(root), "text": "findings", "accept": ["undefined_metric"]}
    stage = small.PLAIN_STAGE | {"data": data} | changes
    return small.write(tmp_path, small.experiment(only=stage))


def test_an_experiments_use_of_it(tmp_path, root, data):
    output = data("doctor", experiment(tmp_path, root))
    assert "flip_with_text: view image mirrors the radiograph, and 100% of the texts (findings) say left" in output
    assert "label_in_text:" in output and "undefined_metric:" not in output
    assert "37 pixels" in output and "224 pixels" not in output
    assert "next: medvl data prepare" in output and "--size" not in output
    assert "flip_with_text" not in data("doctor", tmp_path / "small.yaml", "views.image.flip=0")


def test_an_experiment_that_does_not_fit_is_told_beside_its_data(tmp_path, root, data):
    output = data("doctor", experiment(tmp_path, root, stop={"metric": "val/auroc_makro"}), code=1)
    assert "error: " in output and "no evaluator of this stage gives 'val/auroc_makro'" in output
    assert "label_in_text" in output

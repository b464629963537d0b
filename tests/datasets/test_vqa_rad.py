import json
from collections import defaultdict

import pytest

from medvl.datasets.fakes.vqa_rad import write
from medvl.datasets.phantom.dataset import Phantom
from medvl.datasets.vqa_rad.dataset import IMAGE_FOLDER, VqaRad
from medvl.datasets.vqa_rad.items import QUESTIONS_FILE, TYPES
from medvl.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vqa_rad")
    parameters = write(folder, patients=12, seed=5)
    assert parameters == {"name": "vqa_rad", "root": str(folder)}
    return folder


@pytest.fixture(scope="module")
def items(root):
    return json.loads((root / QUESTIONS_FILE).read_text())


def questions(table, split=None):
    return [q for row in table.to_pylist() if split in (None, row["split"]) for q in row["questions"]]


def test_a_row_is_an_image_with_the_questions_of_one_split(root, items):
    expected = defaultdict(list)
    for item in items:
        split = "test" if item["phrase_type"].startswith("test_") else "train"
        expected[f"{IMAGE_FOLDER}/{item['image_name']}", split].append(item["question"].strip())
    table = VqaRad(root=root).table()
    found = {
        (row["image"], row["split"]): [question["question"] for question in row["questions"]]
        for row in table.to_pylist()
    }
    assert found == expected
    assert table.num_rows == len(expected)
    assert table["patient"].equals(table["study"])


def test_the_split_shares_images_and_the_dataset_says_so(root):
    table = VqaRad(root=root).table()
    sides = {
        side: set(table.filter(table["split"].to_numpy() == side)["image"].to_pylist()) for side in ("train", "test")
    }
    assert sides["train"] & sides["test"] and sides["test"] - sides["train"]
    assert VqaRad.split_by == "question" and Phantom.split_by == "patient"


def test_images_are_read_and_one_without_questions_has_no_row(root):
    dataset = VqaRad(root=root)
    references = dataset.table()["image"].to_pylist()
    assert dataset.missing(references) == []
    assert dataset.read_image(references[0]).std() > 10
    there = {path.name for path in (root / IMAGE_FOLDER).iterdir()}
    assert there - {reference.split("/")[1] for reference in references} == {"synpic10000.jpg"}


def test_answers_stay_as_given_trimmed_and_spelled_out(root, items):
    given = [item["answer"] for item in items]
    assert any(isinstance(answer, int) for answer in given) and any(answer != str(answer).strip() for answer in given)
    found = sorted(question["answer"] for question in questions(VqaRad(root=root).table()))
    assert found == sorted(str(answer).strip() for answer in given)
    assert {"Yes", "yes", "2"} <= set(found)


def test_kinds_are_open_and_closed_and_closed_is_not_yes_or_no(root, items):
    assert "CLOSED " in {item["answer_type"] for item in items}
    found = questions(VqaRad(root=root).table())
    assert {question["kind"] for question in found} == {"open", "closed"}
    assert {"Frontal"} <= {question["answer"] for question in found if question["kind"] == "closed"}


def test_question_types_are_mended_and_split(root, items):
    assert {"PRES, ABN", "ATRIB", "PRSE", "Other"} <= {item["question_type"] for item in items}
    found = {question["type"] for question in questions(VqaRad(root=root).table())}
    assert {"PRES|ABN", "PRES|SIZE", "ATTRIB", "PRES", "OTHER"} <= found
    assert {part for types in found for part in types.split("|")} <= set(TYPES)


@pytest.mark.parametrize(("organ", "code"), [("chest", "CHEST"), ("head", "HEAD"), ("abdomen", "ABD")])
def test_one_organ_alone(root, items, organ, code):
    expected = {item["image_name"] for item in items if item["image_organ"] == code}
    table = VqaRad(root=root, organ=organ).table()
    found = {image.split("/")[1] for image in table["image"].to_pylist()}
    assert set(table["organ"].to_pylist()) == {organ}
    assert found == expected


def test_val_is_drawn_by_image_from_the_training_questions(root):
    whole, drawn = VqaRad(root=root).table(), VqaRad(root=root, val_share=0.25).table()
    rows = {
        split: set(drawn.filter(drawn["split"].to_numpy() == split)["image"].to_pylist()) for split in ("train", "val")
    }
    assert not rows["train"] & rows["val"]
    assert len(rows["val"]) == round(0.25 * (len(rows["train"]) + len(rows["val"])))
    assert questions(drawn, "test") == questions(whole, "test")
    assert len(questions(drawn, "train")) + len(questions(drawn, "val")) == len(questions(whole, "train"))
    assert VqaRad(root=root, val_share=0.25).table().equals(drawn)
    assert not VqaRad(root=root, val_share=0.25, val_seed=1).table().equals(drawn)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda item: item.pop("answer"), "question 3 has no answer"),
        (lambda item: item.update(image_organ="KNEE"), "question 3: unknown image_organ 'KNEE'"),
        (lambda item: item.update(answer_type="MAYBE"), "question 3: unknown answer_type 'MAYBE'"),
        (lambda item: item.update(question_type="PRES, PRESS"), "question 3: unknown question_type 'PRESS'"),
    ],
)
def test_a_spoilt_question_is_named(tmp_path, items, spoil, message):
    spoilt = [dict(item) for item in items]
    spoil(spoilt[2])
    (tmp_path / "other.json").write_text(json.dumps(spoilt))
    with pytest.raises(DataError, match=message):
        VqaRad(root=tmp_path, questions="other.json").table()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{}", "is not a list of questions"), (b"[\n{]", "line 2, column 2: is not JSON"), (b"\xff\xfe", "not encoded")],
)
def test_what_is_not_the_questions_file_is_named(tmp_path, content, message):
    (tmp_path / QUESTIONS_FILE).write_bytes(content)
    with pytest.raises(DataError, match=message):
        VqaRad(root=tmp_path).table()


def test_a_missing_file_says_where_it_is_obtained(tmp_path):
    with pytest.raises(
        DataError, match=r"VQA_RAD Dataset Public\.json: is missing .* get it from https://osf\.io/89kps"
    ):
        VqaRad(root=tmp_path).table()


def test_the_fingerprint_follows_what_decides_the_rows(root):
    prints = {VqaRad(root=root, **kw).fingerprint() for kw in ({}, {"organ": "chest"}, {"val_share": 0.1})}
    assert len(prints) == 3


def test_counts_are_those_of_the_parameters(tmp_path):
    assert VqaRad(root=tmp_path).official == {"images": 314, "train": 313, "test": 203}
    assert VqaRad(root=tmp_path, organ="chest").expectations == {
        "official": {"train": 107, "test": 73},
        "official_questions": {"train": 620, "test": 174},
    }
    assert VqaRad(root=tmp_path, val_share=0.1).official == {"images": 314, "test": 203}
    assert VqaRad(root=tmp_path, organ="head").official == {}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"organ": "chset"}, "unknown organ 'chset' of vqa_rad. did you mean 'chest'"),
        ({"val_share": 1.0}, "val_share is 1"),
    ],
)
def test_bad_parameters_are_named(tmp_path, parameters, message):
    with pytest.raises(ConfigError, match=message):
        VqaRad(root=tmp_path, **parameters)

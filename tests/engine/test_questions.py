"""Questions as cases, from the study table to predictions."""

import json

import pyarrow.parquet as pq
import pytest

from medvl.data.lints.finding import LINTS
from medvl.datasets.fakes.vqa_rad import write as write_vqa_rad
from medvl.datasets.phantom.dataset import Phantom
from medvl.engine.load import TrainedStage
from medvl.errors import ConfigError, DataError
from medvl.runs.manifest import Manifest
from medvl.runs.predictions import read_predictions
from medvl.runs.results import read_results
from tests import small
from tests.engine.conftest import small_machine

STAGE = {
    "data": small.PHANTOM | {"text": "question", "labels": "none"},
    "views": {"image": {"name": "plain", "size": 32}},
    "model": {
        "image": {"name": "timm", "model": "test_resnet", "weights": "none"},
        "text": {"name": "bert", "weights": "none", "layers": 1, "width": 32, "dropout": 0.0},
        "fusion": {"name": "concat", "width": 32},
    },
    "objective": {"name": "vqa"},
    "optim": {"name": "adamw", "lr": 0.003},
    "budget": {"steps": 150, "batch_size": 16, "validate_every": 150},
    "evaluate": [{"name": "vqa", "split": split, "replicates": 20} for split in ("test", "train")],
}


def stage(**changes):
    return {key: changes.get(key, value) for key, value in STAGE.items()}


@pytest.fixture(scope="module")
def questions():
    """(image, split, number, kind, answer) of every question, in the order of the table."""
    rows = Phantom(patients=small.PATIENTS, resolution=64).table().to_pylist()
    return [
        (row["image"], row["split"], number, one["kind"], one["answer"].lower())
        for row in rows
        for number, one in enumerate(row["questions"])
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory, cache):
    with small_machine(cache):
        return small.run(small.write(tmp_path_factory.mktemp("questions"), small.experiment(vqa=STAGE)))["vqa"]


def test_each_question_is_a_case_and_each_image_is_decoded_once(run, questions):
    counts = Manifest.read(run.folder).splits
    for split in ("val", "test"):
        assert counts[split] == sum(side == split for _, side, *_ in questions)
    assert counts["learning"] == sum(side == "train" for _, side, *_ in questions)
    cases = pq.read_table(run.folder / "subset.parquet")
    assert cases.num_rows == counts["learning"] > len(set(cases["case"].to_pylist()))


def test_predictions_say_which_question_of_which_image(run, questions):
    table = pq.read_table(run.folder / "predictions/test.parquet")
    assert table.column_names == [
        "row", "case", "patient", "study", "question", "answer", "kind", "type", "organ", "output.answer"
    ]  # fmt: skip
    expected = [one for one in questions if one[1] == "test"]
    assert table["question"].to_pylist() == [number for _, _, number, *_ in expected]
    assert table["kind"].to_pylist() == [kind for *_, kind, _ in expected]
    assert len(set(table["case"].to_pylist())) == len({image for image, *_ in expected})
    names = json.loads((run.folder / "answers.json").read_text())
    assert [None if a is None else names[a] for a in table["answer"].to_pylist()] == [
        answer if answer in names else None for *_, answer in expected
    ]


@pytest.mark.parametrize("split", ["test", "train"])
def test_results_are_those_of_the_predictions(run, split):
    (result,) = [stored.result for stored in read_results(run.folder) if stored.split == split]
    cases = read_predictions(run.folder / f"predictions/{split}.parquet").cases
    truth, given = cases.fields["answers"], cases.outputs["answer"]
    assert result.metrics["accuracy"] == pytest.approx((truth == given).mean())
    assert result.counts["unseen/accuracy"] == (truth == -1).sum()
    closed = cases.fields["kind"] == "closed"
    assert result.metrics["accuracy_closed"] == pytest.approx((truth == given)[closed].mean())


def test_training_questions_are_learned_beyond_the_most_frequent_answer(run):
    (result,) = [stored.result for stored in read_results(run.folder) if stored.split == "train"]
    truth = read_predictions(run.folder / "predictions/train.parquet").cases.fields["answers"]
    assert result.metrics["accuracy"] > (truth == 0).mean() + 0.2  # class 0 is the most frequent one
    assert any("answers are classes" in note for note in Manifest.read(run.folder).notes)


def test_a_finished_stage_is_loaded_with_its_answers(run):
    trained = TrainedStage.load(run.folder)
    assert trained.answers == tuple(json.loads((run.folder / "answers.json").read_text()))
    assert trained.trainable.objective.head[-1].out_features == len(trained.answers)


def test_fractions_are_nested_and_have_the_same_classes(tmp_path, run):
    taken = []
    for fraction in (0.3, 0.6):
        changed = stage(data=STAGE["data"] | {"fraction": fraction}, budget={"steps": 1, "batch_size": 4})
        folder = small.run(small.write(tmp_path, small.experiment(vqa=changed)))["vqa"].folder
        assert (folder / "answers.json").read_text() == (run.folder / "answers.json").read_text()
        taken.append(set(pq.read_table(folder / "subset.parquet")["row"].to_pylist()))
    assert taken[0] < taken[1] < set(pq.read_table(run.folder / "subset.parquet")["row"].to_pylist())


def test_a_later_stage_keeps_the_classes_and_frozen_features_are_those_of_the_images(tmp_path):
    first = stage(budget={"steps": 1, "batch_size": 4}, evaluate=[])
    image = {"name": "timm", "model": "test_resnet", "init": "first.image", "frozen": True}
    second = first | {
        "data": STAGE["data"] | {"least_answers": 1000},  # no answer is that frequent: the first stage's count
        "model": STAGE["model"] | {"image": image},
        "objective": {"name": "vqa", "init": "first"},
        "evaluate": STAGE["evaluate"],
    }
    done = small.run(small.write(tmp_path, small.experiment(first=first, second=second)))
    names = [(done[name].folder / "answers.json").read_text() for name in ("first", "second")]
    assert names[0] == names[1]
    assert any("computed once and kept" in note for note in done["second"].notes)


def test_rare_answers_are_no_classes(tmp_path, questions):
    changed = stage(data=STAGE["data"] | {"least_answers": 5}, budget={"steps": 1, "batch_size": 4})
    folder = small.run(small.write(tmp_path, small.experiment(vqa=changed)))["vqa"].folder
    learned = [answer for _, side, *_, answer in questions if side == "train"]
    names = json.loads((folder / "answers.json").read_text())
    assert set(names) == {answer for answer in set(learned) if learned.count(answer) >= 5}
    rare = sum(answer not in names for answer in learned)
    assert any(note.startswith(f"{rare} of {len(learned)} training questions") for note in Manifest.read(folder).notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": small.PHANTOM | {"text": "indication"}}, "do: choose a dataset with questions, and text: question"),
        ({"data": small.PHANTOM | {"text": {"join": ["indication", "question"]}}}, "goes with no other text"),
        ({"data": STAGE["data"] | {"only": {"text": "present"}}}, "leaves nothing out"),
        ({"data": STAGE["data"] | {"least_answers": 0}}, "at least 1"),
        ({"data": {"name": "shenzhen", "root": ".", "text": "question"}}, "'shenzhen' has no questions"),
        ({"evaluate": [{"name": "multilabel"}]}, "wants logits"),
    ],
)
def test_what_does_not_go_together_is_refused_before_data_is_read(tmp_path, changes, said):
    with pytest.raises(ConfigError, match=said):
        small.run(small.write(tmp_path, small.experiment(vqa=stage(**changes))))


def test_expected_counts_are_of_questions(tmp_path, questions):
    counts = {split: sum(side == split for _, side, *_ in questions) for split in ("train", "val", "test")}
    changed = stage(data=STAGE["data"] | {"expect": counts}, budget={"steps": 1, "batch_size": 4})
    assert small.run(small.write(tmp_path, small.experiment(vqa=changed)))


def test_a_split_without_validation_cases_does_not_validate_and_may_not_select(tmp_path):
    """As VQA-RAD's own."""
    root = tmp_path / "vqa_rad"
    data = write_vqa_rad(root, patients=6, seed=0) | {"text": "question", "labels": "none", "accept": [*LINTS]}
    changed = stage(data=data, evaluate=STAGE["evaluate"][:1], budget={"steps": 1, "batch_size": 4})
    done = small.run(small.write(tmp_path, small.experiment(vqa=changed)))["vqa"]
    assert set(Manifest.read(done.folder).splits) == {"learning", "test"}
    (stored,) = read_results(done.folder)
    assert 0 < stored.result.counts["questions/accuracy_chest"] < stored.result.counts["questions/accuracy"]
    with pytest.raises(DataError, match="split 'val' has no readable case"):
        small.run(small.write(tmp_path, small.experiment(vqa=changed | {"stop": {"metric": "val/accuracy"}})))


def test_the_official_split_shares_images_and_each_run_says_so(tmp_path):
    data = write_vqa_rad(tmp_path / "vqa_rad", patients=6, seed=0) | {"text": "question", "labels": "none"}
    changed = stage(data=data, evaluate=STAGE["evaluate"][:1], budget={"steps": 1, "batch_size": 4})
    done = small.run(small.write(tmp_path, small.experiment(vqa=changed)))["vqa"]
    notes = " ".join(Manifest.read(done.folder).notes)
    assert "of the split, which divides questions" in notes and "same_image_twice: images that stand in two of" in notes
    assert "listed more than once within a split" not in notes  # several questions do not list an image again

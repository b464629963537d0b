import csv
import shutil

import numpy as np
import pytest

from medvl.data.dataset import SPLITS
from medvl.data.draw import splits_of
from medvl.data.label_policy import label_matrix
from medvl.data.patients import require_disjoint
from medvl.data.selection import Selection
from medvl.datasets.chexpert.dataset import CheXpert
from medvl.datasets.chexpert.layout import IMAGE_BATCHES, INDEX_BATCH
from medvl.datasets.fakes.chexpert import write
from medvl.errors import ConfigError, DataError

FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
SMALL = "CheXpert-v1.0-small"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("chexpert")
    assert write(out, patients=40, seed=0) == {"name": "chexpert", "root": str(out)}
    return out


@pytest.fixture(scope="module")
def table(root):
    return CheXpert(root=root).table()


@pytest.fixture
def index(tmp_path):
    """A folder with a tiny train.csv and valid.csv that a test may rewrite."""
    header = (
        "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,"
        "Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
        "Support Devices"
    )
    for name, side in (("train.csv", "train"), ("valid.csv", "valid")):
        rows = [
            f"{SMALL}/{side}/patient0000{k}/study1/view1_frontal.jpg,Male,50,Frontal,AP,1.0{',' * 13}" for k in (1, 2)
        ]
        (tmp_path / name).write_text("\n".join([header, *rows, ""]))
    return tmp_path


def rows_of_file(root, name):
    with (root / SMALL / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_says_what_the_files_say(root, table):
    """Against a reading of the same files with the csv module, a row at a time."""
    written = rows_of_file(root, "train.csv") + rows_of_file(root, "valid.csv")
    states = {"1.0": 1, "0.0": 0, "-1.0": -1, "": None}
    assert table.num_rows == len(written) > 60
    for row, found in zip(written, table.to_pylist(), strict=True):
        _, side, patient, study, file = row["Path"].split("/")
        assert found["image"] == f"{side}/{patient}/{study}/{file}"
        assert (found["patient"], found["study"]) == (patient, f"{patient}/{study}")
        assert found["split"] == {"train": "train", "valid": "val"}[side]
        assert {n: found[f"label.{n}"] for n in CheXpert.labels} == {n: states[row[n]] for n in CheXpert.labels}
    assert {-1, 0, 1, None} <= {value for name in FIVE for value in table[f"label.{name}"].to_pylist()}


def test_labels_stand_in_the_order_of_the_file(root, table):
    assert tuple(rows_of_file(root, "train.csv")[0])[5:] == CheXpert.labels
    assert CheXpert.labels[3:5] == ("Lung Opacity", "Lung Lesion")  # the labeler has them the other way round
    assert [name for name in table.column_names if name.startswith("label.")] == [f"label.{n}" for n in CheXpert.labels]


def test_views_come_from_the_columns(root, table):
    views = dict(zip(table["image"].to_pylist(), table["view"].to_pylist(), strict=True))
    numbers = {name.rpartition("/")[2] for name in views}
    assert {"view1_lateral.jpg", "view2_frontal.jpg"} <= numbers
    assert all((view == "LATERAL") == name.endswith("lateral.jpg") for name, view in views.items())
    written = {row["Path"].removeprefix(f"{SMALL}/"): row["AP/PA"] for row in rows_of_file(root, "train.csv")}
    assert {written[name] for name in written if views[name] == "FRONTAL"} == {"LL", "RL"}
    assert all(views[name] == told for name, told in written.items() if told in ("AP", "PA"))


def test_rows_need_not_be_sorted(table):
    studies = [name for name in table["study"].to_pylist() if name.startswith("patient00001/")]
    assert studies != sorted(studies)
    assert len(set(table["image"].to_pylist())) == table.num_rows


def test_age_0_and_sex_unknown_are_not_known(root, table):
    who = {row["Path"].split("/")[2]: (row["Sex"], row["Age"]) for row in rows_of_file(root, "train.csv")}
    found = {row["patient"]: (row["sex"], row["age"]) for row in table.select(["patient", "sex", "age"]).to_pylist()}
    strange = {patient: found[patient] for patient, told in who.items() if told[0] == "Unknown" or told[1] == "0"}
    assert len(strange) == 2 and all(None in pair for pair in strange.values())
    assert all(
        found[p] == (sex[0], int(age)) for p, (sex, age) in who.items() if p not in strange
    )  # fmt: skip
    assert max(age for _, age in found.values() if age is not None) == 90


def test_valid_is_fully_labelled_and_has_no_fracture(table):
    valid = table.filter(np.asarray(table["split"]) == "val")
    assert all(set(valid[f"label.{name}"].to_pylist()) <= {0, 1} for name in CheXpert.labels)
    assert set(valid["label.Fracture"].to_pylist()) == {0}
    train = table.filter(np.asarray(table["split"]) == "train")
    assert set(train["label.No Finding"].to_pylist()) == {1, None}


def test_the_five_label_rule_on_the_table(root, table):
    matrix = label_matrix(table, FIVE, "chexpert_five")
    written = rows_of_file(root, "train.csv")
    ones = {"Atelectasis", "Edema", "Pleural Effusion"}
    expected = [[float(row[n] == "1.0" or (row[n] == "-1.0" and n in ones)) for n in FIVE] for row in written]
    np.testing.assert_array_equal(matrix[: len(written)], expected)


def test_root_is_the_release_or_the_folder_above(root, table):
    inside = CheXpert(root=root / SMALL)
    assert inside.table().equals(table)
    references = table["image"].to_pylist()
    assert inside.missing(references) == CheXpert(root=root).missing(references) == []
    assert inside.read_image(references[0]).shape == (136, 160)


def test_the_full_release_in_batches(root, table, tmp_path):
    batches = [tmp_path / name for name in IMAGE_BATCHES]
    shutil.copytree(root / SMALL / "valid", tmp_path / INDEX_BATCH / "valid")
    for name in ("train.csv", "valid.csv"):
        text = (root / SMALL / name).read_text().replace(SMALL, "CheXpert-v1.0")
        (tmp_path / INDEX_BATCH / name).write_text(text)
    for number, patient in enumerate(sorted((root / SMALL / "train").iterdir())):
        shutil.copytree(patient, batches[number % 3] / patient.name)
    dataset = CheXpert(root=tmp_path)
    assert dataset.table().equals(table)
    assert dataset.missing([*table["image"].to_pylist(), "train/patient99999/study1/view1_frontal.jpg"]) == [len(table)]
    assert all(source.present for source in dataset.sources())


def test_full_and_small_miniatures_differ_in_name_alone(tmp_path, table):
    parameters = write(tmp_path, patients=40, seed=0, full=True)
    assert [path.name for path in tmp_path.iterdir()] == ["CheXpert-v1.0"]
    assert CheXpert(root=parameters["root"]).table().equals(table)


def sides(table):
    """Split -> its patients."""
    found = {split: set() for split in SPLITS}
    for split, patient in zip(table["split"].to_pylist(), table["patient"].to_pylist(), strict=True):
        found[split].add(patient)
    return found


def places(table):
    return np.array([SPLITS.index(split) for split in table["split"].to_pylist()], np.int8)


def test_mrm_draws_images_and_says_so(root, table):
    dataset = CheXpert(root=root, protocol="mrm", validation=15)
    drawn = dataset.table()
    assert dataset.split_by == "image" and CheXpert(root=root).split_by == "patient"
    counts = {split: drawn["split"].to_pylist().count(split) for split in SPLITS}
    train = table["split"].to_pylist().count("train")
    assert counts == {"train": train - 15, "val": 15, "test": len(table) - train}
    found = sides(drawn)
    assert found["train"] & found["val"] and not found["test"] & (found["train"] | found["val"])
    selection = Selection(expect=counts)
    assert splits_of(drawn, selection, 0, split_by=dataset.split_by).tolist() == places(drawn).tolist()
    with pytest.raises(DataError, match="patients are on two sides"):
        splits_of(drawn, selection, 0)
    other = CheXpert(root=root, protocol="mrm", validation=15, seed=1)
    assert places(other.table()).tolist() != places(drawn).tolist()
    assert other.fingerprint() != dataset.fingerprint()


def test_validation_by_patient_shares_nobody(root):
    drawn = CheXpert(root=root, protocol="by_patient", validation=0.3).table()
    require_disjoint(drawn, places(drawn))
    assert all(sides(drawn).values())


def test_published_lists(root, table, tmp_path):
    train = [f"{SMALL}/{name}" for name in table["image"].to_pylist() if name.startswith("train")]
    (tmp_path / "val_list.txt").write_text("\n".join(f"{name} 0 1 0 0 1" for name in train[::7]))
    (tmp_path / "train_1.txt").write_text("".join(f"{name} 0 1 0 0 1\n" for name in train[1::7]))
    rest = CheXpert(root=root, protocol="mrm", lists=tmp_path)
    expected = ["val" if place % 7 == 0 else "train" for place in range(len(train))]
    assert rest.table()["split"].to_pylist()[: len(train)] == expected
    few = CheXpert(root=root, protocol="mrm", lists=tmp_path, train_list="train_1.txt")
    chosen = few.table()
    assert chosen["split"].to_pylist().count("train") == len(train[1::7])
    assert chosen["split"].to_pylist().count("test") == len(table) - len(train)
    before = few.fingerprint()
    (tmp_path / "val_list.txt").write_text("\n".join(train[::14]))
    again = CheXpert(root=root, protocol="mrm", lists=tmp_path, train_list="train_1.txt")
    assert again.fingerprint() != before
    assert {source.path.name for source in few.sources()} >= {"val_list.txt", "train_1.txt"}


def test_papers_counts():
    mrm = CheXpert.expectations["mrm"]
    assert mrm == {"train": 218_414, "val": 5_000, "test": 234}
    assert sum(mrm.values()) == CheXpert(root="x").official["images"] == 223_648
    assert CheXpert(root="x").official["val"] == 234


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"protocol": "mrn"}, "did you mean 'mrm'"),
        ({"validation": 10}, "under protocol official val is valid.csv"),
        ({"protocol": "mrm", "validation": 0.1}, "a number of images"),
        ({"protocol": "by_patient", "validation": 5000}, "a share of the patients"),
        ({"protocol": "by_patient", "lists": "lists"}, "lists are for protocol mrm"),
        ({"protocol": "mrm", "train_list": "train_1.txt"}, "`lists`, which is not given"),
        ({"protocol": "mrm", "lists": "lists", "validation": 5}, "give one of them"),
    ],
)
def test_parameters_that_do_not_go_together(parameters, reason):
    with pytest.raises(ConfigError, match=reason):
        CheXpert(root="x", **parameters)


def test_missing_files_are_named_with_the_way_out(index):
    (index / "valid.csv").unlink()
    with pytest.raises(DataError, match=r"valid.csv: there is no such file. do: obtain CheXpert: https://stanfordaimi"):
        CheXpert(root=index).table()
    absent = [source.path.name for source in CheXpert(root=index).sources() if not source.present]
    assert absent == ["valid.csv", "train", "valid"]
    (index / "train.csv").unlink()
    with pytest.raises(DataError, match=r"there is no train.csv, neither in it nor in CheXpert-v1.0-small"):
        CheXpert(root=index).table()


def test_two_releases_in_one_place(index):
    (index / SMALL).mkdir()
    shutil.copy(index / "train.csv", index / SMALL)
    with pytest.raises(DataError, match=r"stands there 2 times. do: make root one of"):
        CheXpert(root=index).table()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (f"{SMALL}/train/patient00002/study1", "elsewhere/2", "line 3, column 'Path': is not of the form"),
        ("patient00002", "patient00001", "has 2 rows for 1 images"),
        ("Frontal,AP,1.0", "Oblique,AP,1.0", "line 2, column 'Frontal/Lateral'"),
        ("Frontal,AP,1.0", "Frontal,AP,2.0", "line 2, column 'No Finding': '2.0' is not a label"),
        ("Lung Lesion", "Lung Lesions", "did you mean 'Lung Lesions'"),
    ],
)
def test_a_damaged_index_is_refused_with_its_line(index, old, new, reason):
    path = index / "train.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=reason):
        CheXpert(root=index).table()


def test_copies_with_underscores_and_other_prefixes(index):
    expected = CheXpert(root=index).table()
    for name in ("train.csv", "valid.csv"):
        text = (index / name).read_text()
        header, rest = text.split("\n", 1)
        copy = header.replace(" ", "_") + "\n" + rest.replace(SMALL, f"/nas/public/{SMALL}")
        (index / name).write_text(copy)
    assert CheXpert(root=index).table().equals(expected)


def test_a_miniature_needs_a_patient_for_each_file(tmp_path):
    with pytest.raises(ConfigError, match="at least 5 patients"):
        write(tmp_path, patients=4, seed=0)
    write(tmp_path, patients=5, seed=3)
    assert set(CheXpert(root=tmp_path).table()["split"].to_pylist()) == {"train", "val"}

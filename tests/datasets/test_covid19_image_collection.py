import csv
from collections import Counter

import numpy as np
import pytest

from medvl.data.patients import require_disjoint
from medvl.datasets.covid19_image_collection.dataset import Covid19ImageCollection
from medvl.datasets.fakes.covid19_image_collection import STRANGER, write
from medvl.errors import ConfigError, DataError

PATIENTS = 22


@pytest.fixture(scope="module", params=["april", "final"])
def release(request, tmp_path_factory):
    parameters = write(tmp_path_factory.mktemp(request.param), patients=PATIENTS, seed=3, release=request.param)
    assert parameters.pop("name") == "covid19_image_collection"
    return parameters["root"]


@pytest.fixture
def dataset(release):
    return Covid19ImageCollection(root=release)


@pytest.fixture
def official(dataset):
    with (dataset.root / "metadata.csv").open() as file:
        return list(csv.DictReader(file))


def test_x_rays_with_a_finding_alone(dataset, official):
    kept = {row["filename"] for row in official if row["modality"] == "X-ray"}
    kept -= {row["filename"] for row in official if row["finding"] in ("todo", "Unknown")}
    assert {"CT", "X-ray"} == {row["modality"] for row in official} and len(kept) < len(official)
    assert {"volumes", "images"} == {row["folder"] for row in official}
    table = dataset.table()
    found = {reference.removeprefix("images/").lower() for reference in table["image"].to_pylist()}
    assert found == {name.lower() for name in kept} and len(found) == table.num_rows


def test_both_spellings_of_columns_and_findings_give_notes_and_labels(dataset):
    table = dataset.table()
    assert dataset.sections == ("clinical_notes",) and table["text.clinical_notes"].null_count == 0
    assert not any("license" in name or "url" in name for name in table.column_names)
    covid = [row for row in table.to_pylist() if row["label.COVID-19"] == 1]
    assert covid and all(row["label.Viral"] == row["label.Pneumonia"] == 1 for row in covid)
    assert any("COVID" in row["text.clinical_notes"] for row in covid)
    assert {row["view"] for row in table.to_pylist()} == {"PA", "AP", "LATERAL"}


def test_a_patient_has_several_images_with_the_same_notes(dataset):
    rows = dataset.table().to_pylist()
    assert max(Counter(row["patient"] for row in rows).values()) > 1
    assert len({(row["patient"], row["text.clinical_notes"]) for row in rows}) < len(rows)
    days = [row["study"] for row in rows if row["study"].count("/") == 1]
    assert len(days) == len(rows) > len(set(days))


def test_names_with_dots_and_suffixes_in_either_case_are_found(dataset, official):
    references = dataset.table()["image"].to_pylist()
    assert dataset.missing(references) == []
    assert {".PNG", ".png", ".jpeg"} <= {name[name.rindex(".") :] for name in references}
    listed = {row["filename"] for row in official}
    assert [name for name in references if name.removeprefix("images/") not in listed], "one is in another case on disk"
    image = dataset.read_image(references[0])
    assert image.shape == (256, 256) and image.dtype == np.uint8 and image.std() > 20


def test_ages_and_sexes(dataset):
    table = dataset.table()
    assert set(table["sex"].to_pylist()) == {"F", "M", None}
    assert table["age"].null_count and min(table["age"].drop_null().to_pylist()) >= 30


def test_the_two_tasks_leave_out_what_is_not_known(dataset):
    everything = {row["image"]: row for row in dataset.table().to_pylist()}
    covid = Covid19ImageCollection(root=dataset.root, task="covid")
    viral = Covid19ImageCollection(root=dataset.root, task="viral")
    assert covid.labels == ("COVID-19",) and viral.labels == ("Viral",)
    for one, name in ((covid, "COVID-19"), (viral, "Viral")):
        rows = one.table().to_pylist()
        assert {row[f"label.{name}"] for row in rows} == {0, 1}
        assert 0 < len(rows) < len(everything)
        assert all(everything[row["image"]]["label.No Finding"] == 0 for row in rows)
    negative = [everything[row["image"]] for row in viral.table().to_pylist() if row["label.Viral"] == 0]
    assert all(row["label.Bacterial"] == 1 for row in negative)


@pytest.mark.parametrize(("task", "label"), [("covid", "COVID-19"), ("viral", "Viral")])
def test_mrm_lists(dataset, task, label):
    listed = Covid19ImageCollection(root=dataset.root, task=task, protocol="mrm")
    table = listed.table()
    assert listed.labels == (label,) and set(table[f"label.{label}"].to_pylist()) == {0, 1}
    assert set(table["split"].to_pylist()) == {"train", "val", "test"}
    assert listed.missing(table["image"].to_pylist()) == []
    places = np.array([("train", "val", "test").index(name) for name in table["split"].to_pylist()], np.int8)
    require_disjoint(table, places)
    stranger = next(row for row in table.to_pylist() if row["image"] == f"images/{STRANGER}")
    assert stranger["patient"] == STRANGER and stranger["text.clinical_notes"] is None


def test_the_slip_11_is_a_1(dataset):
    text = (dataset.root / "mrm" / "viral1" / "isviral_test.txt").read_text()
    name = next(line.split()[0] for line in text.splitlines() if line.endswith(" 11"))
    rows = Covid19ImageCollection(root=dataset.root, task="viral", protocol="mrm").table().to_pylist()
    labels = {row["image"].removeprefix("images/").lower(): row["label.Viral"] for row in rows}
    assert labels[name.lower()] == 1


def test_march_2020(tmp_path):
    (tmp_path / "metadata.csv").write_text(
        "Patientid,offset,sex,age,finding,survival,view,date,location,filename,doi, url,license,notes\n"
        "2,0,M,65,COVID-19,Y,PA,2020,,a-1.jpg,,,,shadows\n"
        "17,9,M,54,COVID-19,Y,CT,2020,,b.jpg,,,,\n"
        "2,0,M,65,SARS,Y,PA,2020,,A-1.JPG,,,,listed twice\n"
    )
    (row,) = Covid19ImageCollection(root=tmp_path).table().to_pylist()
    assert row["image"] == "images/a-1.jpg" and row["patient"] == "2" and row["text.clinical_notes"] == "shadows"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("patientid,findings,view,filename\n1,SARS,PA,a\n", "unknown column 'finding'. did you mean 'findings'?"),
        ("patientid,finding,view,filename\n1,SARS,PA,a\n,SARS,PA,b\n", "line 3, column 'patientid': is blank"),
        ("patientid,finding,view,filename\n1,todo,PA,a\n", "no row is a radiograph"),
    ],
)
def test_errors_say_where(tmp_path, content, said):
    (tmp_path / "metadata.csv").write_text(content)
    with pytest.raises(DataError) as caught:
        Covid19ImageCollection(root=tmp_path).table()
    assert said in str(caught.value) and "metadata.csv" in str(caught.value)


def test_missing_metadata_and_impossible_parameters(tmp_path):
    with pytest.raises(DataError, match=r"metadata.csv: there is no such file. do: clone https://github.com"):
        Covid19ImageCollection(root=tmp_path).table()
    with pytest.raises(ConfigError, match="no task 'findings'"):
        Covid19ImageCollection(root=tmp_path, protocol="mrm")

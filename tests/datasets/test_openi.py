import json
import shutil

import numpy as np
import pyarrow as pa
import pytest

from medvl.data.scaling import resize
from medvl.datasets.fakes.openi import write
from medvl.datasets.fakes.openi_reports import draw_reports
from medvl.datasets.openi.dataset import Openi
from medvl.datasets.openi.mesh import CHEXPERT, LABEL_SETS, mesh_labels
from medvl.datasets.openi.views import image_key
from medvl.errors import ConfigError, DataError

PATIENTS, SEED = 20, 3
RELEASES = ("xml", "kaggle", "r2gen", "medvill")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openi")
    assert write(folder, patients=PATIENTS, seed=SEED)["root"] == str(folder / "xml")
    return folder


@pytest.fixture(scope="module")
def reports():
    return {str(report.number): report for report in draw_reports(PATIENTS, SEED)}


@pytest.fixture
def copied(out, tmp_path):
    """The index files of the `xml` release, to be spoilt; no images."""
    shutil.copytree(out / "xml" / "ecgen-radiology", tmp_path / "ecgen-radiology")
    shutil.copy(out / "xml" / "nlmcxr_dicom_metadata.csv.gz", tmp_path)
    return tmp_path


def read(out, release, **parameters):
    return Openi(root=out / release, release=release, **parameters)


def by_key(table):
    """Rows by what all spellings of an image's name share."""
    rows = {image_key(row["image"].split("/")[-1]): row for row in table.to_pylist()}
    assert len(rows) == table.num_rows
    return rows


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_gives_a_study_table_and_its_images(out, release):
    dataset = read(out, release)
    table = dataset.table()
    columns = ["image", "patient", "study", "view"] + ["split"] * (release in ("r2gen", "medvill"))
    columns += [f"text.{name}" for name in dataset.sections] + [f"label.{name}" for name in dataset.labels]
    assert table.column_names == columns
    assert {table.schema.field(f"label.{name}").type for name in dataset.labels} <= {pa.int8()}
    references = table["image"].to_pylist()
    assert dataset.missing(references) == []
    assert all(dataset.read_image(reference).std() > 10 for reference in references[:5])


def test_a_report_s_number_is_patient_and_study_in_every_release(out, reports):
    for release in RELEASES:
        table = read(out, release).table()
        assert table["patient"].equals(table["study"])
        assert set(table["patient"].to_pylist()) <= set(reports)


def test_xml_has_a_row_for_each_image_and_none_for_reports_without(out, reports):
    table = read(out, "xml").table()
    expected = [(number, picture.name) for number, report in reports.items() for picture in report.pictures]
    found = zip(table["patient"].to_pylist(), table["image"].to_pylist(), strict=True)
    assert sorted(found) == sorted(expected)
    assert {number for number, report in reports.items() if not report.pictures} - set(table["patient"].to_pylist())


def test_xml_sections_come_from_the_abstract_alone_and_blanks_are_null(out, reports):
    table = read(out, "xml").table()
    for row in table.to_pylist():
        for name, text in reports[row["patient"]].sections.items():
            assert row[f"text.{name}"] == (text or None)
    texts = " ".join(text for name in table.column_names[4:8] for text in table[name].to_pylist() if text)
    assert "XXXX" in texts
    assert not any(word in texts for word in ("Nobody", "Xray Chest", "drawn from phantoms"))
    assert table["text.findings"].null_count and table["text.impression"].null_count


def test_labels_follow_the_descriptors_given_by_hand(out, reports):
    seen = set()
    for row in read(out, "xml").table().to_pylist():
        descriptors = reports[row["patient"]].descriptors
        values = {name.removeprefix("label."): value for name, value in row.items() if name.startswith("label.")}
        if descriptors == ["No Indexing"]:
            assert set(values.values()) == {None}
        elif descriptors == ["normal"]:
            assert values == {name: int(name == "No Finding") for name in CHEXPERT}
        else:
            assert values["No Finding"] == 0
            has = any(one.startswith("Pneumothorax/") for one in descriptors)
            assert (
                abs(values["Pneumothorax"]) == has
            )  # the program's terms, `pneumothorax` in half of the files, do not
        seen |= {descriptors[0]} & {"normal", "No Indexing"}
        seen |= {value for value in values.values() if value == -1}
    assert seen == {"normal", "No Indexing", -1}


def test_descriptors_become_labels():
    lists = [
        ["Cardiomegaly/borderline"],
        ["Cardiomegaly/borderline", "cardiac shadow/Enlarged/mild"],
        ["Thickening/bronchi", "Opacity/lung/base"],
        ["thickening/Pleura/apex"],
        ["normal"],
        ["No Indexing"],
        [],
        ["Hydropneumothorax/left"],
        ["Scoliosis"],
        [""],
    ]
    columns = mesh_labels(pa.array(lists, pa.list_(pa.string())), "chexpert")
    assert columns["label.Cardiomegaly"].to_pylist() == [-1, 1, 0, 0, 0, None, None, 0, 0, None]
    assert columns["label.Pleural Other"].to_pylist() == [0, 0, 0, 1, 0, None, None, 0, 0, None]
    assert columns["label.Lung Opacity"].to_pylist() == [0, 0, 1, 0, 0, None, None, 0, 0, None]
    assert columns["label.No Finding"].to_pylist() == [0, 0, 0, 0, 1, None, None, 0, 0, None]
    assert columns["label.Pneumothorax"][7].as_py() == columns["label.Pleural Effusion"][7].as_py() == 1
    columns = mesh_labels(pa.array(lists, pa.list_(pa.string())), "mesh")
    assert columns["label.Scoliosis"].to_pylist() == [0, 0, 0, 0, 0, None, None, 0, 1, None]
    assert mesh_labels(pa.array([[]], pa.list_(pa.string())), "mesh")["label.Lung"].to_pylist() == [None]


def test_kaggle_says_the_same_as_the_xml(out):
    xml, kaggle = by_key(read(out, "xml").table()), by_key(read(out, "kaggle").table())
    assert kaggle.keys() == xml.keys()
    for key, row in kaggle.items():
        assert {k: v for k, v in row.items() if k not in ("image", "view")} == {
            k: v for k, v in xml[key].items() if k not in ("image", "view")
        }


def test_dicom_of_both_polarities_shows_what_the_png_shows(out):
    png, dicom = read(out, "xml"), read(out, "xml", images="NLMCXR_dcm")
    pairs = list(zip(png.table().to_pylist(), dicom.table().to_pylist(), strict=True))
    assert all(one == other for one, other in pairs)
    assert dicom.missing(dicom.table()["image"].to_pylist()) == []
    for one, other in pairs[:6]:
        images = [resize(set_.read_image(row["image"]), 64) for set_, row in ((png, one), (dicom, other))]
        assert np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1] > 0.99
    assert png.fingerprint() != dicom.fingerprint()


def test_headers_alone_call_laterals_what_they_call_them(out, reports):
    table = read(out, "xml").table()
    pictures = {picture.name: picture for report in reports.values() for picture in report.pictures}
    named = {row["image"]: row["view"] for row in table.to_pylist()}
    assert any(picture.lateral and named[name] == "PA" for name, picture in pictures.items())
    assert named["CXR1_1_IM-0001-4001"] == "PA"  # CXR1_IM-0001-4001 in the headers
    known = {"LL": "LATERAL", "RL": "LATERAL", "LARGE LATERAL": "LATERAL", "": None}
    last = list(pictures)[-1]
    assert named[last] is None  # has no header
    for name, picture in pictures.items():
        assert name == last or named[name] == known.get(picture.header_view, picture.header_view)


def test_projections_decide_what_is_lateral(out, copied, reports):
    shutil.copy(out / "kaggle" / "indiana_projections.csv", copied)
    rows = Openi(root=copied).table().to_pylist()
    pictures = {picture.name: picture for report in reports.values() for picture in report.pictures}
    views = set()
    for row in rows:
        picture = pictures[row["image"]]
        assert (row["view"] == "LATERAL") == picture.lateral
        views.add(row["view"])
    assert views == {"PA", "AP", "FRONTAL", "LATERAL"}


def test_kaggle_alone_knows_frontal_and_lateral(out):
    assert set(read(out, "kaggle").table()["view"].to_pylist()) == {"FRONTAL", "LATERAL"}


def test_r2gen_splits_by_the_entry_not_by_its_key(out, reports):
    groups = json.loads((out / "r2gen" / "annotation.json").read_text())
    assert "test" not in groups and groups["    "]
    table = read(out, "r2gen").table()
    for row in table.to_pylist():
        assert row["split"] == reports[row["patient"]].split
        assert row["text.findings"] == (reports[row["patient"]].sections["findings"] or None)
    assert set(table["split"].to_pylist()) == {"train", "val", "test"}
    assert set(table["patient"].value_counts().field("counts").to_pylist()) == {2}
    assert "1" in table["patient"].to_pylist()  # CXR1_1_IM-0001


@pytest.mark.parametrize("spoil", [lambda e: e.pop("split"), lambda e: e.update(split="odd"), lambda e: e.pop("id")])
def test_r2gen_entries_that_lack_something_are_named(out, tmp_path, spoil):
    groups = json.loads((out / "r2gen" / "annotation.json").read_text())
    spoil(groups["val"][0])
    (tmp_path / "annotation.json").write_text(json.dumps(groups))
    with pytest.raises(DataError, match=r"entry 1 under 'val' needs id, report, image_path .* and split"):
        Openi(root=tmp_path, release="r2gen").table()


def test_medvill_labels_by_name_and_none_is_not_unknown(out, reports):
    rows = read(out, "medvill").table().to_pylist()
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    empty = 0
    for row in rows:
        report = reports[row["patient"]]
        assert row["split"] == report.split
        assert {name for name in CHEXPERT if row[f"label.{name}"] == 1} == set(report.named)
        assert {row[f"label.{name}"] for name in CHEXPERT} <= {0, 1}
        empty += not report.named
    assert empty


def test_medvill_labels_that_nobody_knows_are_refused(out, tmp_path):
    shutil.copytree(out / "medvill" / "data" / "openi", tmp_path / "data" / "openi")
    path = tmp_path / "data" / "openi" / "Valid.jsonl"
    entry = {"id": "1", "label": "'Edema', 'Pneumonja'", "text": "secret words", "img": "a.jpg"}
    path.write_text(json.dumps(entry) + "\n")
    with pytest.raises(DataError, match=r"Valid.jsonl: unknown label 'Pneumonja'.* did you mean 'Pneumonia'") as caught:
        Openi(root=tmp_path, release="medvill").table()
    assert "secret" not in str(caught.value)


HARMFUL = """<?xml version="1.0"?><!DOCTYPE e [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><eCitation><uId id="CXR9"/>
<MedlineCitation><Article><Abstract><AbstractText Label="FINDINGS">&b;</AbstractText></Abstract></Article>
</MedlineCitation></eCitation>"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HARMFUL.encode(), "declares a document type"),
        (b"<eCitation>\n<uId id='CXR9'>", "line 2, column 16: is not XML"),
        (b"<eCitation></eCitation>", "has no uId"),
        ("<eCitation><uId id='CXR9'/></eCitation>".encode("utf-16"), "is not encoded in UTF-8"),
    ],
)
def test_bad_xml_is_named(copied, content, message):
    (copied / "ecgen-radiology" / "9999.xml").write_bytes(content)
    with pytest.raises(DataError, match=rf"9999\.xml: {message}"):
        Openi(root=copied).table()


def test_one_report_in_two_files_is_refused(copied):
    shutil.copy(copied / "ecgen-radiology" / "2.xml", copied / "ecgen-radiology" / "2 copy.xml")
    with pytest.raises(DataError, match=r"2\.xml: is the same report as 2 copy\.xml"):
        Openi(root=copied).table()


def test_companions_of_files_are_not_reports(copied):
    rows = Openi(root=copied).table().num_rows
    (copied / "ecgen-radiology" / "._2.xml").write_bytes(b"\0\5\26\7")
    assert Openi(root=copied).table().num_rows == rows


def test_missing_images_keep_their_rows(copied):
    dataset = Openi(root=copied)
    references = dataset.table()["image"].to_pylist()
    assert dataset.image_path(references[0]) == copied / "NLMCXR_png" / "CXR1_1_IM-0001-3001.png"
    assert len(dataset.missing(references)) == len(references)


def test_the_nlm_s_reports_go_with_kaggle_s_pictures(out, copied):
    shutil.copytree(out / "kaggle" / "images", copied / "images")
    dataset = Openi(root=copied, images="images/images_normalized")
    assert dataset.missing(dataset.table()["image"].to_pylist()) == []


def test_two_files_of_one_image_are_refused(out):
    dataset = Openi(root=out / "xml", images="")
    with pytest.raises(DataError, match=r"holds an image twice.*name a folder that holds each once"):
        dataset.read_image(dataset.table()["image"][0].as_py())


def test_images_of_reports_that_are_not_there_are_refused(out, tmp_path):
    shutil.copy(out / "kaggle" / "indiana_projections.csv", tmp_path)
    lines = (out / "kaggle" / "indiana_reports.csv").read_text().splitlines(keepends=True)
    (tmp_path / "indiana_reports.csv").write_text("".join(lines[:2]))
    with pytest.raises(DataError, match=r"images are of reports that indiana_reports\.csv does not have"):
        Openi(root=tmp_path, release="kaggle").table()


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("xml", "ecgen-radiology"),
        ("kaggle", "indiana_reports.csv"),
        ("r2gen", "annotation.json"),
        ("medvill", "Train.jsonl"),
    ],
)
def test_a_missing_index_says_where_it_is_obtained(tmp_path, release, name):
    dataset = Openi(root=tmp_path, release=release)
    source = next(source for source in dataset.sources() if source.path.name == name)
    with pytest.raises(DataError) as caught:
        dataset.table()
    assert str(source.path) in str(caught.value) and source.where in str(caught.value)


def test_the_fingerprint_follows_labels_and_reports(copied):
    first = Openi(root=copied).fingerprint()
    assert first == Openi(root=copied).fingerprint()
    assert first != Openi(root=copied, label_set="mesh").fingerprint()
    path = copied / "ecgen-radiology" / "2.xml"
    path.write_text(path.read_text().replace("</MeSH>", "<major>Scoliosis</major></MeSH>"))
    assert first != Openi(root=copied).fingerprint()


def test_labels_and_sections_follow_from_the_parameters(tmp_path):
    assert Openi(root=tmp_path).labels == tuple(CHEXPERT)
    assert Openi(root=tmp_path, label_set="mesh").labels == tuple(LABEL_SETS["mesh"])
    assert Openi(root=tmp_path, release="r2gen").labels == ()
    assert Openi(root=tmp_path).labels_from == ("findings", "impression")
    for release in RELEASES:
        dataset = Openi(root=tmp_path, release=release)
        assert set(dataset.labels_from) <= set(dataset.sections) and bool(dataset.labels_from) == bool(dataset.labels)
        for counts in dataset.expectations.values():
            assert sum(counts.values()) == dataset.official["images"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"release": "xlm"}, "unknown release 'xlm' of openi. did you mean 'xml'"),
        ({"label_set": "nih"}, "unknown label_set 'nih'"),
        ({"release": "r2gen", "label_set": "mesh"}, "release 'r2gen' has no MeSH descriptors"),
    ],
)
def test_bad_parameters_are_named(tmp_path, parameters, message):
    with pytest.raises(ConfigError, match=message):
        Openi(root=tmp_path, **parameters)


def test_a_miniature_of_one_patient_still_has_every_split(tmp_path):
    write(tmp_path, patients=1, seed=0)
    for release in ("r2gen", "medvill"):
        assert set(read(tmp_path, release).table()["split"].to_pylist()) == {"train", "val", "test"}


@pytest.mark.parametrize("release", ["r2gen", "medvill"])
def test_a_miniature_is_read_in_the_release_that_is_asked_for(tmp_path, release):
    parameters = write(tmp_path, patients=1, seed=0, like={"root": "elsewhere", "release": release})
    assert parameters == {"name": "openi", "root": str(tmp_path / release), "release": release}
    assert Openi(root=tmp_path / release, release=release).table().num_rows

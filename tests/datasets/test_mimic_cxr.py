import csv
import gzip
import importlib
import logging
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from PIL import Image

from medvl.data.dataset import LABEL_PREFIX, TEXT_PREFIX
from medvl.data.report_sections import SECTIONS, sections_of
from medvl.data.store import build_store
from medvl.datasets.fakes.mimic_cxr import DICOM, JPG
from medvl.datasets.mimic_cxr import by_hand
from medvl.datasets.mimic_cxr import reports as mimic_cxr_reports
from medvl.datasets.mimic_cxr.dataset import LABELS, MimicCxr
from medvl.errors import ConfigError, DataError

PATIENTS = 36


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("miniature")
    module, _, name = str(MimicCxr.fake).partition(":")
    given = getattr(importlib.import_module(module), name)(out, patients=PATIENTS, seed=3)
    assert given.pop("name") == "mimic_cxr"
    return out, given


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def out(written):
    return written[0]


@pytest.fixture
def given(written):
    return written[1]


@pytest.fixture
def copy(out, tmp_path):
    """The miniature's tables and reports, to be changed."""
    shutil.copytree(out, tmp_path / "copy", ignore=shutil.ignore_patterns("*.jpg", "*.dcm"))
    return tmp_path / "copy"


def rows_of(path):
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def table_rows(out, name):
    return rows_of(out / JPG / f"mimic-cxr-2.0.0-{name}.csv.gz")


def rewrite(path, change):
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()).decode()).encode()))


def by_image(table, column):
    images = [Path(image).stem for image in table.column("image").to_pylist()]
    return dict(zip(images, table.column(column).to_pylist(), strict=True))


def test_every_image_of_the_metadata_has_a_row_and_a_file(out, given):
    table = MimicCxr(**given).table()
    metadata = table_rows(out, "metadata")
    assert table.column("image").to_pylist() == [
        f"files/p{r['subject_id'][:2]}/p{r['subject_id']}/s{r['study_id']}/{r['dicom_id']}.jpg" for r in metadata
    ]
    assert table.column("patient").to_pylist() == [r["subject_id"] for r in metadata]
    assert table.column("study").to_pylist() == [r["study_id"] for r in metadata]
    dataset = MimicCxr(**given)
    assert dataset.missing(table.column("image").to_pylist()) == []
    reference = table.column("image")[0].as_py()
    assert np.array_equal(dataset.read_image(reference), np.asarray(Image.open(out / JPG / reference)))


def test_the_numbers_have_the_official_forms(out, given):
    form = r"files/(p1\d)/\1\d{6}/s5\d{7}/[0-9a-f]{8}(-[0-9a-f]{8}){4}\.jpg"
    images = MimicCxr(**given).table().column("image").to_pylist()
    assert all(re.fullmatch(form, image) for image in images)
    assert next(iter(table_rows(out, "metadata")[0])) == "dicom_id"
    assert list(table_rows(out, "negbio")[0]) == ["subject_id", "study_id", *LABELS]


def test_splits_are_joined_by_image_and_validate_is_val(out, given):
    rows = table_rows(out, "split")
    assert [r["dicom_id"] for r in rows] != [r["dicom_id"] for r in table_rows(out, "metadata")]
    assert {r["split"] for r in rows} == {"train", "validate", "test"}
    expected = {r["dicom_id"]: r["split"].replace("validate", "val") for r in rows}
    assert by_image(MimicCxr(**given).table(), "split") == expected


@pytest.mark.parametrize("labeler", ["chexpert", "negbio"])
def test_labels_go_to_all_images_of_a_study_and_blanks_stay_blank(out, given, labeler):
    dataset = MimicCxr(**given, labeler=labeler)
    table = dataset.table()
    assert dataset.labels == LABELS == tuple(sorted(LABELS))
    told = {r["study_id"]: r for r in table_rows(out, labeler)}
    seen = set()
    for name in LABELS:
        column = table.column(LABEL_PREFIX + name)
        assert str(column.type) == "int8"
        for study, value in zip(table.column("study").to_pylist(), column.to_pylist(), strict=True):
            cell = told.get(study, {}).get(name, "")
            assert value == (None if cell == "" else float(cell))
            seen.add(value)
    assert seen == {1, 0, -1, None}


def test_the_labelers_differ(given):
    tables = [MimicCxr(**given, labeler=labeler).table() for labeler in ("chexpert", "negbio")]
    assert any(not tables[0].column(LABEL_PREFIX + n).equals(tables[1].column(LABEL_PREFIX + n)) for n in LABELS)


def test_studies_without_labels_keep_their_images(out, given):
    table = MimicCxr(**given).table()
    unlabelled = set(table.column("study").to_pylist()) - {r["study_id"] for r in table_rows(out, "chexpert")}
    assert unlabelled
    rows = table.filter(pc.is_in(table.column("study"), pc.cast(list(unlabelled), "string")))
    assert rows.num_rows and all(rows.column(LABEL_PREFIX + name).null_count == rows.num_rows for name in LABELS)


def test_labels_may_be_left_out(out, copy):
    (copy / JPG / "mimic-cxr-2.0.0-chexpert.csv.gz").unlink()
    dataset = MimicCxr(root=copy / JPG, labeler="none")
    assert dataset.labels == () and not [n for n in dataset.table().column_names if n.startswith(LABEL_PREFIX)]


def test_blank_views_are_filled_from_their_code_and_grouped(out, given):
    table = MimicCxr(**given).table()
    view, projection = by_image(table, "view"), by_image(table, "projection")
    coded = {"antero-posterior": "AP", "postero-anterior": "PA", "lateral": "LATERAL", "left lateral": "LL", "": None}
    groups = {"AP": "frontal", "PA": "frontal", "LL": "lateral", "LATERAL": "lateral", "AP LLD": "other", None: None}
    filled = 0
    for row in table_rows(out, "metadata"):
        expected = row["ViewPosition"] or coded[row["ViewCodeSequence_CodeMeaning"]]
        filled += bool(expected and not row["ViewPosition"])
        assert view[row["dicom_id"]] == expected and projection[row["dicom_id"]] == groups[expected]
    assert filled and set(view.values()) == set(groups)


def test_views_that_the_owner_looked_at_are_corrected(copy):
    image = next(name for name, view in by_hand.VIEWS.items() if view == "AP")
    first = table_rows(copy, "metadata")[0]
    for name in ("metadata", "split"):
        path = copy / JPG / f"mimic-cxr-2.0.0-{name}.csv.gz"
        rewrite(path, lambda text: text.replace(first["dicom_id"], image))
    path = copy / JPG / "mimic-cxr-2.0.0-metadata.csv.gz"
    rewrite(path, lambda text: re.sub(f"({image},.*?,.*?,.*?),.*?,", r"\1,LATERAL,", text))
    table = MimicCxr(root=copy / JPG).table()
    assert by_image(table, "view")[image] == "AP" and by_image(table, "projection")[image] == "frontal"


def test_sections_are_those_of_the_studys_report(out, given):
    dataset = MimicCxr(**given)
    table = dataset.table()
    assert dataset.sections == SECTIONS
    for row in table.select(["image", *(TEXT_PREFIX + name for name in SECTIONS)]).to_pylist():
        found = sections_of((out / DICOM / f"{Path(row['image']).parent}.txt").read_text())
        assert {name: row[TEXT_PREFIX + name] for name in SECTIONS} == {name: found.get(name) for name in SECTIONS}
    for name in SECTIONS:  # each is missing somewhere, but what the labelers read never is
        assert (0 < table.column(TEXT_PREFIX + name).null_count < table.num_rows) == (name != "conclusion")


def test_reports_are_wrapped_as_the_owner_wraps_them(out):
    reports = [path.read_text() for path in (out / DICOM).rglob("s*.txt")]
    lines = [line for report in reports for line in report.splitlines()]
    assert max(map(len, lines)) < 80 and all(line.startswith(" ") for line in lines)
    assert all(report.strip().startswith("FINAL REPORT") for report in reports)
    assert any("___" in line for line in lines)
    headers = {found for report in reports for found in re.findall(r"\n ([A-Z ()/,-]+):\s", report)}
    assert {"IMPRESSON", "FINDINDGS", "COMPARISION", "IDICATION", "FINDINGS AND IMPRESSION", "ADDENDUM"} <= headers


def test_folder_files_folder_and_zip_give_the_same_texts(out):
    reports = (out / DICOM, out / DICOM / "files", out / DICOM / "mimic-cxr-reports.zip")
    tables = [MimicCxr(root=out / JPG, reports=path).table() for path in reports]
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])


def test_the_owners_table_gives_its_four_sections(out, given, tmp_path):
    path = tmp_path / "mimic_cxr_sectioned.csv"
    names = ("impression", "findings", "last_paragraph", "comparison")
    full = MimicCxr(**given).table()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["study", *names])
        for study, row in sorted({row["study"]: row for row in full.to_pylist()}.items(), reverse=True):
            texts = [row[TEXT_PREFIX + name] for name in names]
            writer.writerow([f"s{study}", *[text and text.replace(". ", ".\n ") for text in texts]])
    dataset = MimicCxr(root=given["root"], reports=path)
    assert dataset.sections == (*names, "conclusion")
    table = dataset.table()
    for name in dataset.sections:
        assert table.column(TEXT_PREFIX + name).to_pylist() == full.column(TEXT_PREFIX + name).to_pylist()


def test_reports_are_opened_once(out, given, monkeypatch):
    first = MimicCxr(**given).table()
    monkeypatch.setattr(mimic_cxr_reports, "_bytes", lambda path: pytest.fail("a report was opened again"))
    assert MimicCxr(**given).table().equals(first)
    assert MimicCxr(**given, labeler="negbio").table().column("text.findings").equals(first.column("text.findings"))


def test_a_changed_report_is_read_again(copy):
    dataset = MimicCxr(root=copy / JPG, reports=copy / DICOM)
    image = dataset.table().column("image")[0].as_py()
    report = copy / DICOM / f"{Path(image).parent}.txt"
    report.write_text(" FINAL REPORT\n FINDINGS: Something else.\n")
    again = MimicCxr(root=copy / JPG, reports=copy / DICOM).table()
    assert again.column("text.findings")[0].as_py() == "Something else."


def test_patients_that_come_or_go_change_the_fingerprint(copy):
    def fingerprint():
        return MimicCxr(root=copy / JPG, reports=copy / DICOM).fingerprint()

    before = fingerprint()
    assert fingerprint() == before
    group = next(path for path in (copy / DICOM / "files").iterdir())
    stamp = group.stat().st_mtime_ns
    (group / "p19999999").mkdir()
    os.utime(group, ns=(stamp + 10**9, stamp + 10**9))
    assert fingerprint() != before


def test_missing_reports_leave_no_text_and_are_told_without_numbers(copy, caplog):
    image = MimicCxr(root=copy / JPG, labeler="none").table().column("image")[0].as_py()
    (copy / DICOM / f"{Path(image).parent}.txt").unlink()
    with caplog.at_level(logging.WARNING):
        table = MimicCxr(root=copy / JPG, reports=copy / DICOM).table()
    assert table.column("text.conclusion")[0].as_py() is None
    assert re.search(r"1 of \d+ studies have no report there", caplog.text)
    assert Path(image).parts[-2] not in caplog.text


@pytest.mark.parametrize(
    ("study", "conclusion"),
    [
        (next(iter(by_hand.CONCLUSION_SECTION)), "See above."),
        (next(iter(by_hand.CONCLUSION_RANGE)), "x" * 148),
        (next(study for study, cut in by_hand.CONCLUSION_RANGE.items() if cut == (0, 0)), None),
        ("50000000", "Clear."),
    ],
)
def test_conclusions_that_the_owner_found_by_hand(study, conclusion):
    report = " FINAL REPORT\n RECOMMENDATIONS: See above.\n IMPRESSION: Clear.\n".ljust(201) + "x" * 148 + " y"
    if conclusion == "Clear.":
        report = report[:201]
    found = mimic_cxr_reports.sections_of_study(study, report)
    assert found.get("conclusion") == conclusion
    assert found["recommendations"] == "See above."


def test_the_owner_divided_54_studies_by_hand():
    assert len(by_hand.CONCLUSION_SECTION) == 23 and len(by_hand.CONCLUSION_RANGE) == 31
    assert list(by_hand.CONCLUSION_RANGE.values()).count((0, 0)) == 8
    assert not set(by_hand.CONCLUSION_SECTION) & set(by_hand.CONCLUSION_RANGE)
    assert all(re.fullmatch(r"5\d{7}", study) for study in (*by_hand.CONCLUSION_SECTION, *by_hand.CONCLUSION_RANGE))


def test_dicom_shows_the_same_images(out):
    jpg = MimicCxr(root=out / JPG)
    dicom = MimicCxr(root=out / DICOM, images="dicom", tables=out / JPG, reports=out / DICOM)
    references = dicom.table().column("image").to_pylist()
    assert references == [name.replace(".jpg", ".dcm") for name in jpg.table().column("image").to_pylist()]
    inverted = 0
    for one, other in zip(references[:8], jpg.table().column("image").to_pylist(), strict=False):
        image = dicom.read_image(one).astype(int)
        assert np.abs(image - jpg.read_image(other)).mean() < 3
        inverted += b"MONOCHROME1" in (out / DICOM / one).read_bytes()
    assert inverted


def test_a_store_is_built_of_it(given, cache):
    dataset = MimicCxr(**given)
    store = build_store(dataset, dataset.table().column("image"), side=32, fit="crop", folder=cache / "images")
    assert store.good.all() and store.read(np.array([0])).std() > 0


def test_tables_may_be_unpacked(copy):
    packed = MimicCxr(root=copy / JPG).table()
    for path in (copy / JPG).glob("*.csv.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert MimicCxr(root=copy / JPG).table().equals(packed)


def test_mmbt_takes_one_frontal_image_of_each_labelled_study_with_an_indication(out, given):
    full = MimicCxr(**given).table().to_pylist()
    metadata = {r["dicom_id"]: r["ViewPosition"] for r in table_rows(out, "metadata")}
    labelled = {r["study_id"] for r in table_rows(out, "chexpert")}
    expected, several = {}, 0
    for row in full:
        position = metadata[Path(row["image"]).stem]
        if position in ("AP", "PA") and row["text.indication"] and row["study"] in labelled:
            several += row["study"] in expected
            expected.setdefault(row["study"], row["image"])
    table = MimicCxr(**given, protocol="mmbt").table()
    assert table.column("image").to_pylist() == list(expected.values())
    assert several and 0 < len(expected) < len(full)


def test_medvill_takes_one_ap_image_of_each_study_with_findings_or_an_impression(out, given):
    full = MimicCxr(**given).table().to_pylist()
    metadata = {r["dicom_id"]: r["ViewPosition"] for r in table_rows(out, "metadata")}
    expected = {}
    for row in full:
        if metadata[Path(row["image"]).stem] == "AP" and (row["text.findings"] or row["text.impression"]):
            expected.setdefault(row["study"], row["image"])
    table = MimicCxr(**given, protocol="medvill").table()
    assert table.column("image").to_pylist() == list(expected.values())
    assert set(table.column("view").to_pylist()) == {"AP"}


def test_counts_of_the_owner_and_of_the_papers(given):
    dataset = MimicCxr(**given)
    assert dataset.official["images"] == sum(dataset.official[split] for split in ("train", "val", "test")) == 377_110
    assert MimicCxr(**given, protocol="mmbt").official == {}
    assert dataset.expectations["mmbt"] == {"train": 208_794, "val": 1_695, "test": 2_920}
    assert sum(dataset.expectations["medvill"].values()) == 91_685  # as MedViLL's repository says


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "png"}, r"unknown images 'png'.*dicom, jpg"),
        ({"labeler": "chexbert"}, r"unknown labeler 'chexbert'.*did you mean 'chexpert'"),
        ({"protocol": "mbt"}, r"unknown protocol 'mbt'.*did you mean 'mmbt'"),
        ({"protocol": "medvill", "reports": None}, r"goes by findings and impression.*`reports` must name"),
        ({"protocol": "mmbt", "labeler": "none"}, r"takes labelled studies"),
        (
            {"protocol": "mmbt", "reports": Path("mimic_cxr_sectioned.csv")},
            r"indication.*mimic_cxr_sectioned.csv lacks",
        ),
    ],
)
def test_parameters_that_do_not_go_together(given, changes, message):
    with pytest.raises(ConfigError, match=message):
        MimicCxr(**(given | changes))


@pytest.mark.parametrize("name", ["metadata", "split", "negbio"])
def test_a_missing_table_is_named_with_where_to_get_it(copy, name):
    path = copy / JPG / f"mimic-cxr-2.0.0-{name}.csv.gz"
    path.unlink()
    dataset = MimicCxr(root=copy / JPG, labeler="negbio")
    source = next(source for source in dataset.sources() if not source.present and "csv" in source.path.name)
    assert source.path == path and source.where.startswith("https://physionet.org/")
    with pytest.raises(DataError) as raised:
        dataset.table()
    assert str(path) in str(raised.value) and source.where in str(raised.value)


def test_reports_that_are_none_are_refused(out, given, tmp_path):
    with pytest.raises(DataError, match=r"nowhere: is not there.*mimic-cxr-reports\.zip"):
        MimicCxr(root=given["root"], reports=tmp_path / "nowhere").table()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no report of the \d+ studies") as raised:
        MimicCxr(root=given["root"], reports=tmp_path / "empty").table()
    assert not re.search(r"s5\d{7}|p1\d{7}", str(raised.value))
    (tmp_path / "reports.tar").write_bytes(b"no zip")
    with pytest.raises(DataError, match="neither a folder, a zip nor a CSV"):
        MimicCxr(root=given["root"], reports=tmp_path / "reports.tar").table()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("split", lambda text: text + text.splitlines()[1] + "\n", r"1 rows repeat a 'dicom_id'"),
        ("split", lambda text: "".join(text.splitlines(keepends=True)[:-1]), r"1 of \d+ images have no row there"),
        ("split", lambda text: text.replace("validate", "validation set"), r"line \d+, column 'split'.*not a split"),
        ("chexpert", lambda text: text + text.splitlines()[1] + "\n", r"1 rows repeat a 'study_id'"),
        ("chexpert", lambda text: text.replace(",1.0", ",2.0", 1), r"line \d+, column '.+': '2.0' is not a label"),
        ("metadata", lambda text: re.sub(r"(\n[^,]+),\d+,", r"\1,,", text, count=1), r"line 2, column 'subject_id'"),
    ],
)
def test_damaged_tables_are_refused_with_their_place(copy, name, change, message):
    rewrite(copy / JPG / f"mimic-cxr-2.0.0-{name}.csv.gz", change)
    with pytest.raises(DataError, match=message) as raised:
        MimicCxr(root=copy / JPG).table()
    assert not re.search(r"\b[15]\d{7}\b", str(raised.value))


def test_construction_reads_nothing(tmp_path):
    dataset = MimicCxr(root=tmp_path / "nowhere", reports=tmp_path / "nothing")
    assert dataset.sections == SECTIONS and dataset.labels == LABELS
    assert [source.present for source in dataset.sources()] == [False] * 5


def test_the_miniature_is_the_same_each_time(out, tmp_path):
    from medvl.datasets.fakes.mimic_cxr import write

    write(tmp_path / "again", patients=PATIENTS, seed=3)
    for path in (p for p in out.rglob("*") if p.is_file()):
        assert (tmp_path / "again" / path.relative_to(out)).read_bytes() == path.read_bytes(), path.name

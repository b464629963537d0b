import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from medvl.data.store import build_store
from medvl.datasets.fakes.folder import write as write_miniature
from medvl.datasets.folder.dataset import Folder
from medvl.errors import ConfigError, DataError

ROWS = [
    {
        "image": "a.png",
        "person": "007",
        "set": "train",
        "Edema": "1",
        "Effusion": "-1.0",
        "note": 'one\n"two"',
    },
    {"image": "b.png", "person": "007", "set": "Training", "Edema": "0.0", "Effusion": "", "note": ""},
    {
        "image": "c.png",
        "person": "8",
        "set": "validate",
        "Edema": "true",
        "Effusion": "FALSE",
        "note": "clear, dry",
    },
]
MAPPING = {
    "label_columns": ("Edema", "Effusion"),
    "text_columns": ("note",),
    "patient_column": "person",
    "split_column": "set",
}


def write_delimited(path, delimiter, bom=False, ending="\n"):
    def cell(text):
        return '"' + text.replace('"', '""') + '"' if set(text) & {delimiter, '"', "\n"} else text

    lines = [delimiter.join(ROWS[0]), *(delimiter.join(map(cell, row.values())) for row in ROWS)]
    path.write_bytes(("\ufeff" * bom + ending.join(lines) + ending).encode())
    return path


def write_jsonl(path):
    typed = [row | {"Edema": json.loads(row["Edema"])} for row in ROWS]
    typed[1] = {name: value for name, value in typed[1].items() if value != ""}
    path.write_text("\n".join(map(json.dumps, typed)) + "\n\n")
    return path


def write_parquet(path):
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    columns["Edema"] = pa.array([1.0, 0.0, 1.0])
    columns["Effusion"] = pa.array([-1, None, 0], pa.int64())
    columns["set"] = pa.array(columns["set"]).dictionary_encode()
    pa.parquet.write_table(pa.table(columns), path)
    return path


WRITERS = {
    "index.csv": lambda path: write_delimited(path, ","),
    "excel.csv": lambda path: write_delimited(path, ",", bom=True, ending="\r\n"),
    "index.tsv": lambda path: write_delimited(path, "\t"),
    "index.jsonl": write_jsonl,
    "index.parquet": write_parquet,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_table(tmp_path, name):
    dataset = Folder(path=WRITERS[name](tmp_path / name), **MAPPING)
    table = dataset.table()
    assert table.to_pydict() == {
        "image": ["a.png", "b.png", "c.png"],
        "patient": ["007", "007", "8"],
        "study": ["a.png", "b.png", "c.png"],
        "view": [None, None, None],
        "split": ["train", "train", "val"],
        "text.note": ['one\n"two"', None, "clear, dry"],
        "label.Edema": [1, 0, 1],
        "label.Effusion": [-1, None, 0],
    }
    assert table.schema.field("label.Edema").type == pa.int8()
    assert dataset.labels == ("Edema", "Effusion") and dataset.sections == ("note",)


def test_compressed_csv(tmp_path):
    import gzip

    plain = write_delimited(tmp_path / "index.csv", ",")
    (tmp_path / "index.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    packed = Folder(path=tmp_path / "index.csv.gz", **MAPPING).table()
    assert packed.equals(Folder(path=plain, **MAPPING).table())


def test_least_that_is_needed(tmp_path):
    (tmp_path / "index.csv").write_text("image\na.png\nb.png\n")
    table = Folder(path=tmp_path / "index.csv").table()
    assert table.column_names == ["image", "patient", "study", "view"]
    assert table["patient"].to_pylist() == ["a.png", "b.png"]


def test_an_image_without_a_study_is_one_of_its_own(tmp_path):
    (tmp_path / "index.csv").write_text("image,visit\na.png,v1\nb.png,\nc.png,v1\nd.png,\n")
    table = Folder(path=tmp_path / "index.csv", study_column="visit").table()
    assert table["study"].to_pylist() == ["v1", "b.png", "v1", "d.png"]


def test_joined_finding_names(tmp_path):
    (tmp_path / "index.csv").write_text("image,findings\na,Edema|Mass\nb,No Finding\nc,\nd, Mass \n")
    dataset = Folder(path=tmp_path / "index.csv", label_list_column="findings", label_names=("Mass", "Edema"))
    table = dataset.table()
    assert dataset.labels == ("Mass", "Edema")
    assert table["label.Mass"].to_pylist() == [1, 0, None, 1]
    assert table["label.Edema"].to_pylist() == [1, 0, None, 0]


def test_lists_of_finding_names_in_jsonl(tmp_path):
    rows = [{"image": "a", "findings": ["Edema", "Mass"]}, {"image": "b", "findings": ["No Finding"]}, {"image": "c"}]
    (tmp_path / "index.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = Folder(path=tmp_path / "index.jsonl", label_list_column="findings", label_names=("Mass",)).table()
    assert table["label.Mass"].to_pylist() == [1, 0, None]


def test_another_encoding(tmp_path):
    (tmp_path / "index.csv").write_bytes("image,text\na,Überblähung\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"not encoded in utf-8.*latin-1"):
        Folder(path=tmp_path / "index.csv", text_columns=("text",)).table()
    table = Folder(path=tmp_path / "index.csv", text_columns=("text",), encoding="latin-1").table()
    assert table["text.text"].to_pylist() == ["Überblähung"]


HEAD = "image,person,set,Edema,note\n"
GOOD = '"a.png",1,train,1,"two\nlines"\n\n'


@pytest.mark.parametrize(
    ("content", "mapping", "said"),
    [
        (HEAD, {}, "no rows"),
        (HEAD + GOOD, {"image_column": "imag"}, "unknown column 'imag'. did you mean 'image'?"),
        (HEAD + GOOD, {"label_columns": ("Edma",)}, "did you mean 'Edema'? known: Edema, image, note, person, set"),
        ("image,image\na,b\n", {}, "stands there 2 times"),
        (HEAD + GOOD + "b.png,2,train,yes,\n", {"label_columns": ("Edema",)}, "line 5, column 'Edema': 'yes' is not"),
        (HEAD + GOOD + "b.png,2,train,2,\n", {"label_columns": ("Edema",)}, "allowed: 1, 0, -1, blank, true, false"),
        (HEAD + GOOD + "b.png,2,tran,1,\n", {"split_column": "set"}, "line 5, column 'set': 'tran' is not a split"),
        (HEAD + GOOD + "b.png,2,,1,\n", {"split_column": "set"}, "line 5, column 'set': is blank"),
        (HEAD + GOOD + "b.png,,train,1,\n", {"patient_column": "person"}, "line 5, column 'person': is blank"),
        (HEAD + GOOD + ",1,train,1,\n", {}, "line 5, column 'image': is blank"),
        (HEAD + GOOD + "a.png,2,train,1,\n", {}, "first 'a.png' (line 2 and line 5)"),
        (HEAD + GOOD + "b.png,2,train,1,a,b\n", {}, "line 5 has 6 cells, the header 5"),
        (HEAD + GOOD + 'b.png,2,train,1,"open\n', {}, "the quote opened in the row at line 5 is never closed"),
        (
            "image,findings\na,Edema|Mass\n",
            {"label_list_column": "findings", "label_names": ("Edmea",)},
            "did you mean 'Edema'?",
        ),
    ],
)
def test_errors_say_where_and_what(tmp_path, content, mapping, said):
    path = tmp_path / "index.csv"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        Folder(path=path, **mapping).table()
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"image": "a"}\n\n{"image": \n', "line 3 is not JSON"),
        ('{"image": "a"}\n["b"]\n', "line 2 is not a JSON object"),
        ('{"image": "a"}\n{"image": {"path": "b"}}\n', "line 2, column 'image'"),
    ],
)
def test_errors_in_jsonl(tmp_path, content, said):
    (tmp_path / "index.jsonl").write_text(content)
    with pytest.raises(DataError, match=said):
        Folder(path=tmp_path / "index.jsonl").table()


def test_errors_never_quote_a_report(tmp_path):
    report = "a shadow behind the heart of this gentleman"
    (tmp_path / "index.csv").write_text(f"image,note\na,{report}\n")
    with pytest.raises(DataError, match="a text of 43 characters") as caught:
        Folder(path=tmp_path / "index.csv", label_columns=("note",)).table()
    assert "heart" not in str(caught.value)
    (tmp_path / "index.csv").write_text(f"image,note\na,{report},more\n")
    with pytest.raises(DataError) as caught:
        Folder(path=tmp_path / "index.csv").table()
    assert "heart" not in str(caught.value)


def test_missing_index_names_the_nearest_file(tmp_path):
    (tmp_path / "index.csv").write_text("image\na\n")
    with pytest.raises(DataError, match=r"did you mean 'index.csv'\?"):
        Folder(path=tmp_path / "indx.csv").table()
    with pytest.raises(DataError, match="there is no folder"):
        Folder(path=tmp_path / "nowhere" / "index.csv").table()
    with pytest.raises(DataError, match=r"unknown table format '.xlsx'"):
        (tmp_path / "index.xlsx").write_text("x")
        Folder(path=tmp_path / "index.xlsx").table()


@pytest.mark.parametrize(
    "mapping",
    [
        {"label_list_column": "findings"},
        {"label_names": ("Edema",)},
        {"label_columns": ("Edema", "Edema")},
        {"label_separator": ""},
    ],
)
def test_contradictions_are_refused_before_anything_is_read(mapping):
    with pytest.raises(ConfigError):
        Folder(path="index.csv", **mapping)


def radiographs(folder, names):
    folder.mkdir(exist_ok=True)
    for place, name in enumerate(names):
        Image.fromarray(np.full((20, 16), 10 * place, np.uint8)).save(folder / name)


def test_images_are_read_relative_to_root(tmp_path):
    radiographs(tmp_path / "pictures", ["a.png", "b.png"])
    (tmp_path / "index.csv").write_text(f"image\na.png\n{tmp_path / 'pictures' / 'b.png'}\n")
    dataset = Folder(path=tmp_path / "index.csv", root=tmp_path / "pictures")
    images = [dataset.read_image(reference) for reference in dataset.table()["image"].to_pylist()]
    assert [image.shape for image in images] == [(20, 16)] * 2
    assert images[1].max() == 10


def test_store_of_a_folder_with_a_missing_file(tmp_path):
    radiographs(tmp_path, ["a.png", "b.png"])
    (tmp_path / "index.csv").write_text("image\na.png\nb.png\ngone.png\n")
    dataset = Folder(path=tmp_path / "index.csv")
    references = dataset.table()["image"]
    assert dataset.missing(references.to_pylist()) == [2]
    with pytest.raises(DataError, match=r"1 of 3 image files are missing[\s\S]*gone.png"):
        build_store(dataset, references, side=8, fit="crop", folder=tmp_path / "store", max_bad=0.1)
    store = build_store(dataset, references, side=8, fit="crop", folder=tmp_path / "store", max_bad=0.5)
    assert store.good.tolist() == [True, True, False]


def test_fingerprint_follows_index_mapping_and_images(tmp_path):
    radiographs(tmp_path, ["a.png", "b.png"])
    path = tmp_path / "index.csv"
    path.write_text("image,Edema\na.png,1\nb.png,0\n")
    first = Folder(path=path).fingerprint()
    assert Folder(path=path).fingerprint() == first
    prints = {first, Folder(path=path, label_columns=("Edema",)).fingerprint()}
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "b.png")
    prints.add(Folder(path=path).fingerprint())
    path.write_text("image,Edema\na.png,1\nb.png,1\n")
    prints.add(Folder(path=path).fingerprint())
    assert len(prints) == 4


def test_the_chexpert_labeler_s_output_is_read_as_it_is(tmp_path):
    # Its order (Lung Lesion before Lung Opacity) is not CheXpert's, its reports span lines, and blank is not 0. All it
    # lacks is a column that says which image each report is of.
    (tmp_path / "labeled_reports.csv").write_text(
        "image,Reports,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Lesion,Lung Opacity,Edema\n"
        'a.png,"Clear lungs,\nno edema.",1.0,,0.0,,,0.0\n'
        'b.png,"Opacity which ""may"" reflect edema.",,,,,1.0,-1.0\n'
        "c.png,Mass in the left lung.,,,,1.0,,"
    )
    labels = ("Lung Opacity", "Lung Lesion", "Edema")
    dataset = Folder(path=tmp_path / "labeled_reports.csv", label_columns=labels, text_columns=("Reports",))
    table = dataset.table()
    assert table["label.Lung Opacity"].to_pylist() == [None, 1, None]
    assert table["label.Lung Lesion"].to_pylist() == [None, None, 1]
    assert table["label.Edema"].to_pylist() == [0, -1, None]
    assert table["text.Reports"][0].as_py() == "Clear lungs,\nno edema."


def test_its_miniature_has_the_usual_columns_and_is_read_back(tmp_path):
    parameters = write_miniature(tmp_path, patients=6, seed=1)
    assert parameters.pop("name") == "folder"
    folder = Folder(**parameters)
    table = folder.table()
    assert folder.labels and folder.sections == ("findings", "indication")
    assert len(set(table["patient"].to_pylist())) == 6 and set(table["view"].to_pylist()) <= {"PA", "AP"}
    assert folder.read_image(table["image"][0].as_py()).dtype == np.uint8

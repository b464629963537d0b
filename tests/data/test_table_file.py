import pytest

from medvl.data.table_file import column_names, read_columns
from medvl.errors import DataError


def test_nameless_columns_that_the_rows_lack_do_not_count(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("Image Index,Bbox [x,y],,,\na.png,1,2\nb.png,3,4\n")
    table = read_columns(path, ["Image Index", "y]"])
    assert table.column("y]").to_pylist() == ["2", "4"]
    path.write_text("Image Index,Bbox [x,y],,,\na.png,1,2,,,\nb.png,3,4,,,\n")
    assert read_columns(path, ["Image Index", "y]"]).equals(table)


def test_named_columns_that_the_rows_lack_are_an_error(tmp_path):
    path = tmp_path / "index.csv"
    path.write_text("image,label,split,,\na.png,1\n")
    with pytest.raises(DataError, match="line 2 has 2 cells, the header 3"):
        read_columns(path, ["image"])


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv", "\ufeffimage, EncodedPixels ,\n1,2,\n"), ("a.tsv", "\nimage\tEncodedPixels\t\n"),
     ("a.jsonl", '\n{"image": 1, " EncodedPixels": 2, "": 3}\n')],
)  # fmt: skip
def test_column_names(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert column_names(tmp_path / name) == ("image", "EncodedPixels", "")


def test_column_names_of_a_missing_file(tmp_path):
    (tmp_path / "train.csv").write_text("a\n")
    with pytest.raises(DataError, match=r"did you mean 'train.csv'\?"):
        column_names(tmp_path / "trains.csv")

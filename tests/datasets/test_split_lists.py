import pyarrow as pa
import pytest

from medvl.datasets.split_lists import read_list, split_names, splits_in_lists
from medvl.errors import DataError


def images(*names):
    return pa.chunked_array([pa.array(names, pa.string())])


def test_first_words_with_or_without_a_final_line_end(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffa.png 0 1\r\n\n  b.png\t1 \nc.d.png".encode())
    assert read_list(path, where="do: ask").to_pylist() == ["a.png", "b.png", "c.d.png"]


def test_images_in_no_list_have_no_split(tmp_path):
    (tmp_path / "train.txt").write_text("X/b\nX/c\nX/elsewhere")
    (tmp_path / "test.txt").write_text("X/a 1\n")
    files = {"train": tmp_path / "train.txt", "test": tmp_path / "test.txt"}
    splits = splits_in_lists(
        images("a", "b", "c", "d"), files, where="", spell=lambda names: pa.array([n[2:] for n in names.to_pylist()])
    )
    assert splits.tolist() == [2, 0, 0, -1]
    assert split_names(splits).to_pylist() == ["test", "train", "train", None]


def test_what_is_wrong_with_lists_is_said(tmp_path):
    files = {"train": tmp_path / "train.txt", "test": tmp_path / "test.txt"}
    with pytest.raises(DataError, match=r"train.txt: there is no such list of images. do: ask the owner"):
        splits_in_lists(images("a"), files, where="do: ask the owner")
    files["train"].write_text("a\nb\n")
    files["test"].write_text("\n\n")
    with pytest.raises(DataError, match=r"test.txt: names no image"):
        splits_in_lists(images("a"), files, where="")
    files["test"].write_text("b\n")
    with pytest.raises(DataError, match=r"test.txt: 1 of its images are also in train.txt"):
        splits_in_lists(images("a", "b"), files, where="")
    with pytest.raises(DataError, match=r"train.txt: names none of the 1 images"):
        splits_in_lists(images("q"), files, where="")

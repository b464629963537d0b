import pytest

from medvl.datasets.labelled_lists import read_lists
from medvl.errors import DataError

LABELS = {"0": 0, "1": 1}


def write(folder, **lists):
    for split, text in lists.items():
        (folder / f"{split}.txt").write_bytes(text.encode())
    return {split: folder / f"{split}.txt" for split in lists}


def test_blanks_line_ends_and_dots_are_understood(tmp_path):
    files = write(tmp_path, test="d.png 1", train="a/b.dcm 0 \r\n\n c.pdf-1.PNG 1 \n")
    assert read_lists(files, LABELS).to_pydict() == {
        "name": ["a/b.dcm", "c.pdf-1.PNG", "d.png"],
        "split": ["train", "train", "test"],
        "label": [0, 1, 1],
    }


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ({"train": "a 0\n\nb 2\n"}, "line 3 is not a file's name and one of 0, 1"),
        ({"train": "a\n"}, "line 1 is not"),
        ({"train": "a 0\nb 0\n", "test": "b 0\n"}, "1 lines name an image that is listed before"),
    ],
)
def test_errors_say_where(tmp_path, lists, said):
    with pytest.raises(DataError) as caught:
        read_lists(write(tmp_path, **lists), LABELS)
    assert said in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(DataError, match=r"train.txt: there is no such file"):
        read_lists({"train": tmp_path / "train.txt"}, LABELS)

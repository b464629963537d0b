"""Labels of another program, from its file."""

import pytest

from medvl import DataError, Labeler
from medvl.labelers.table import Table

CHEXBERT = """\
Report Impression,Enlarged Cardiomediastinum,Edema,Support Devices,No Finding
"Mild edema,
with a tube.",,1.0,1.0,
"No edema.",,0.0,,1.0
Possible edema.,,-1.0,,
"""


def write(folder, text=CHEXBERT, name="labels.csv"):
    (folder / name).write_text(text)
    return folder / name


def test_reports_are_looked_up_by_their_words(tmp_path):
    table = Table(path=write(tmp_path))
    assert isinstance(table, Labeler)
    assert table.findings == ("No Finding", "Enlarged Cardiomediastinum", "Edema", "Support Devices")
    labels = table.label(["Possible  edema.", "Mild edema, with a tube.", "No edema.", "Possible edema."])
    assert labels.tolist() == [[2, 2, -1, 2], [2, 2, 1, 1], [1, 2, 0, 2], [2, 2, -1, 2]]
    assert table.label([]).shape == (0, 4)


def test_the_chexpert_labelers_and_other_columns(tmp_path):
    assert Table(path=write(tmp_path, "Reports,Edema\nClear.,\n")).label(["Clear."]).tolist() == [[2]]
    named = Table(path=write(tmp_path, "words,Edema\nClear.,0\n"), column="words")
    assert named.label(["Clear."]).tolist() == [[0]]


def test_reports_that_are_missing_are_counted_and_not_quoted(tmp_path):
    with pytest.raises(DataError, match="has no labels for 2 of 3 reports") as caught:
        Table(path=write(tmp_path)).label(["No edema.", "Large mass.", "Large mass."])
    assert "mass" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Text,Edema\nClear.,0\n", "unknown column 'Report Impression'"),
        ("Reports,Words\nClear.,0\n", "has no column of a finding"),
        ("Reports,Edema\nClear.,0\nWet.,3\n", "line 3, column 'Edema': '3' is not a label"),
        ("Reports,Edema\nClear.,0\nClear.,1\n", "line 3: an earlier row has the same report and other labels"),
    ],
)
def test_files_that_cannot_be_used(text, message, tmp_path):
    with pytest.raises(DataError, match=message):
        Table(path=write(tmp_path, text))


def test_the_same_report_twice_with_the_same_labels_is_fine(tmp_path):
    table = Table(path=write(tmp_path, "Reports,Edema\nClear.,0\nClear.,0\n"))
    assert table.label(["Clear."]).tolist() == [[0]]

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medvl.data.answers import UNSEEN, AnswerClasses
from medvl.data.question_counts import QuestionCounts, question_counts
from medvl.data.question_table import normalised, open_questions, question_table, told_of
from medvl.data.study_table import open_table, table_key
from medvl.datasets.phantom.dataset import Phantom
from medvl.errors import DataError

QUESTION = pa.struct([(name, pa.string()) for name in ("question", "answer", "kind", "type")])


def studies(lists, **columns):
    """A study table with these lists of (question, answer), None for a row without any list."""
    asked = [
        None if each is None else [{"question": q, "answer": a, "kind": "open", "type": None} for q, a in each]
        for each in lists
    ]
    names = [f"i{number}" for number in range(len(lists))]
    given = {"image": names, "patient": names, "text.findings": names} | columns
    return pa.table(given | {"questions": pa.array(asked, pa.list_(QUESTION))})


@given(st.lists(st.one_of(st.none(), st.lists(st.tuples(st.text("qr", min_size=1), st.text("ab ")), max_size=3))))
def test_rows_are_those_of_a_loop(lists):
    expected = [
        (row, number, question, " ".join(answer.split()) or None)
        for row, each in enumerate(lists)
        for number, (question, answer) in enumerate(each or [])
    ]
    if not expected:
        with pytest.raises(DataError, match="no image of this dataset has a question"):
            question_table(studies(lists))
        return
    found = question_table(studies(lists)).to_pydict()
    columns = ("row", "question", "text.question", "answer")
    assert list(zip(*(found[name] for name in columns), strict=True)) == expected
    assert found["image"] == [f"i{row}" for row, *_ in expected]
    assert "text.findings" not in found and "questions" not in found


def test_a_dataset_without_questions_is_refused():
    with pytest.raises(DataError, match="no image of this dataset has a question"):
        question_table(pa.table({"image": ["a"]}))


def test_the_table_is_kept_and_mapped_into_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDVL_CACHE", str(tmp_path))
    table = open_table(Phantom(patients=6))
    first = open_questions(table)
    assert first.equals(open_questions(open_table(Phantom(patients=6))))
    assert table_key(first) != table_key(table)
    assert not np.asarray(first["row"]).flags.owndata
    expected = [one["question"] for row in table["questions"].to_pylist() for one in row]
    assert first["text.question"].to_pylist() == expected
    assert first["label.No Finding" if "label.No Finding" in first.column_names else "view"].num_chunks == 1
    assert (tmp_path / "tables").rglob("questions.arrow")


def test_answers_are_compared_without_case_and_blanks():
    given = pa.array(["Yes", " yes ", "Right  upper\tlobe", "5", "", "  ", None])
    assert normalised(given).to_pylist() == ["yes", "yes", "right upper lobe", "5", None, None, None]


def test_what_is_told_of_a_question():
    table = question_table(studies([[("q", "a")], [("r", "b")]], organ=["chest", None]))
    told = told_of(table, np.array([1, 0, 0]))
    assert told["organ"].tolist() == ["", "chest", "chest"] and told["kind"].tolist() == ["open"] * 3
    assert told["type"].tolist() == [""] * 3


words = st.lists(st.one_of(st.none(), st.sampled_from(["yes", "no", "left", "right lung", "5"])), max_size=30)


@given(words, st.integers(1, 4))
def test_classes_are_those_of_a_loop(answers, least):
    counts = {name: answers.count(name) for name in set(answers) - {None}}
    expected = sorted((name for name in counts if counts[name] >= least), key=lambda name: (-counts[name], name))
    column = pa.array(answers, pa.string())
    if len(expected) < 2:
        with pytest.raises(DataError, match="two classes are needed"):
            AnswerClasses.of(column, least)
        return
    classes = AnswerClasses.of(column, least)
    assert classes.names == tuple(expected)
    numbers = classes.number(pa.array([*answers, "never"], pa.string()))
    assert numbers.tolist() == [expected.index(a) if a in expected else UNSEEN for a in [*answers, "never"]]


def test_classes_are_written_and_read(tmp_path):
    classes = AnswerClasses(("no", "yes", "größer"))
    classes.write(tmp_path / "answers.json")
    assert AnswerClasses.read(tmp_path / "answers.json") == classes
    (tmp_path / "answers.json").write_text('{"no": 1}')
    with pytest.raises(DataError, match="no list of texts"):
        AnswerClasses.read(tmp_path / "answers.json")
    with pytest.raises(DataError, match="cannot be read"):
        AnswerClasses.read(tmp_path / "elsewhere.json")


def test_questions_are_counted_by_split():
    table = studies([[("q", "yes"), ("r", "No")], [("s", "no"), ("t", "liver")], None])
    splits = np.array([0, 2, 2], np.int8)
    assert question_counts(table, splits) == {
        "train": QuestionCounts(2, 0, 2, 2, 0),
        "test": QuestionCounts(2, 0, 2, 2, 1),
    }
    assert question_counts(table.drop_columns("questions"), splits) == {}

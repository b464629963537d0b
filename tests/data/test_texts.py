import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medvl.data import texts as texts_module
from medvl.data.texts import TextRule, Texts
from medvl.errors import ConfigError, DataError

cells = st.one_of(st.none(), st.text(alphabet="ab \n\u00e9", max_size=6))
rows = st.lists(st.tuples(cells, cells), min_size=1, max_size=12)


def table(rows):
    return pa.table(
        {f"text.{name}": pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate("FI")}
    )


def slow(how, findings, impression):
    """One case."""
    said = [text if text is not None and text.strip() else "" for text in (findings, impression)]
    if how == "join":
        return " ".join(text for text in said if text)
    if how == "longest":
        return said[1] if len(said[1]) > len(said[0]) else said[0]
    return said[0] or said[1]


@given(rows, st.sampled_from(["first", "longest", "join"]))
def test_rules_are_those_of_a_loop(rows, how):
    said = table(rows)
    rule = TextRule(("F", "I"), how)
    assert rule.apply([said[name].combine_chunks() for name in said.column_names]).to_pylist() == [
        slow(how, *row) for row in rows
    ]


def test_a_section_by_itself():
    texts = Texts(table([("clear", "x"), (None, "y"), ("", "z")]), TextRule.of("F"))
    assert texts.read(np.array([2, 0, 1])).to_pylist() == ["", "clear", ""]
    assert texts.blank.tolist() == [False, True, True]
    assert str(TextRule.of("F")) == "F"


def test_blank_is_where_all_sections_are():
    texts = Texts(table([("clear", None), (None, "y"), (None, None)]), TextRule.of({"join": ["F", "I"]}))
    assert texts.blank.tolist() == [False, False, True]
    assert str(texts.rule) == "join of F, I"


def test_texts_of_rows_can_be_gone_through_again(monkeypatch):
    monkeypatch.setattr(texts_module, "ROWS", 2)
    chosen = Texts(table([(str(number), None) for number in range(9)]), TextRule(("F",))).of(np.array([8, 1, 5, 2, 0]))
    assert list(chosen) == list(chosen) == ["8", "1", "5", "2", "0"]
    assert len(chosen) == 5


def test_what_is_not_there_is_said():
    with pytest.raises(DataError, match="text 'F' is empty in all 2 rows"):
        Texts(table([(None, "x"), ("", "y")]), TextRule(("F",)))
    with pytest.raises(DataError, match="unknown text section 'G'"):
        Texts(table([("x", "y")]), TextRule(("F", "G")))


@pytest.mark.parametrize(
    "given", [{"longst": ["F"]}, {"join": "F"}, {"join": []}, {}, {"join": ["F"], "first": ["I"]}]
)
def test_rules_that_mean_nothing_are_refused(given):
    with pytest.raises(ConfigError, match=r"e\.g\. \{longest: \[findings, impression\]\}"):
        TextRule.of(given)

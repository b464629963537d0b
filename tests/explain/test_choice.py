import numpy as np
import pyarrow as pa
import pytest

from medvl.data.texts import TextRule, Texts
from medvl.errors import DataError
from medvl.explain.choice import named, varied, with_word

NAN = np.nan


def test_cases_are_chosen_for_findings_that_are_not_there_yet():
    labels = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [NAN, 0, 1], [1, 1, 0]], float)
    assert varied(labels, 2).tolist() == [2, 3]  # two findings, then the third
    assert varied(labels, 3).tolist() == [2, 3, 4]  # all were seen: it begins again
    assert sorted(varied(labels, 9).tolist()) == [0, 1, 2, 3, 4]


def test_without_findings_the_first_cases_are_chosen():
    assert varied(np.zeros((5, 0)), 2).tolist() == varied(np.zeros((5, 3)), 2).tolist() == [0, 1]


def test_named_cases_come_in_the_order_asked_for():
    assert named(["aa", "bb", "cc"], ("cc", "aa"), "test").tolist() == [2, 0]
    with pytest.raises(DataError, match=r"split 'test' has no case 'abc1'. did you mean 'abc2'\? known: 2 cases"):
        named(["abc2", "xyz9"], ("abc1",), "test")


def texts(*reports: str | None) -> Texts:
    return Texts(pa.table({"text.findings": pa.array(reports, pa.string())}), TextRule.of("findings"))


def test_a_word_is_a_whole_word_in_any_case():
    given = texts("An effusion.", "effusions", None, "no (EFFUSION)", "T+ line")
    assert with_word(given, np.array([0, 1, 2, 3]), "Effusion").tolist() == [0, 3]
    assert with_word(given, np.array([1, 4]), "t+").tolist() == [4]


def test_a_word_that_is_nowhere_is_told_without_any_report():
    with pytest.raises(DataError, match=r"'effusion' is a word of none of the 1 texts") as error:
        with_word(texts("a secret", "effusion"), np.array([0]), "effusion")
    assert "secret" not in str(error.value)

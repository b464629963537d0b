import math

import numpy as np
import pytest

from medvl.contract import DataSpec
from medvl.errors import ConfigError, DataError
from medvl.evaluate.base import Cases
from medvl.evaluate.compare import compare_answers
from medvl.evaluate.question_answering import QuestionAnswering

DATA = DataSpec(answers=("no", "yes", "left"))


def cases(truth, given, kind, types=None, organ=None, patients=None):
    size = len(truth)
    fields = {
        "answers": np.array(truth),
        "kind": np.array(kind),
        "type": np.array(types or [""] * size),
        "organ": np.array(organ or [""] * size),
    }
    codes = np.arange(size) if patients is None else np.array(patients)
    return Cases(np.arange(size), codes, fields, {"answer": np.array(given)})


HAND = cases(
    truth=[0, 1, 2, -1, 1, 0],
    given=[0, 1, 0, -1, 0, 0],  # a guess of "no class" would be no answer either
    kind=["closed", "closed", "open", "open", "closed", "closed"],
    types=["PRES", "PRES|ABN", "POS", "", "ABN", "PRES"],
    organ=["chest", "head", "chest", "chest", "chest", "head"],
)


def test_accuracies_are_those_counted_by_hand():
    result = QuestionAnswering(DATA, replicates=50).evaluate(HAND)
    assert result.metrics == {
        "accuracy": 3 / 6,
        "accuracy_closed": 3 / 4,
        "accuracy_open": 0.0,  # one wrong, one unseen
        "accuracy_chest": 1 / 4,
        "accuracy_chest_closed": 1 / 2,
        "accuracy_chest_open": 0.0,
        "accuracy/ABN": 1 / 2,
        "accuracy/POS": 0.0,
        "accuracy/PRES": 1.0,
    }
    assert result.counts["questions/accuracy_chest"] == 4 and result.counts["unseen/accuracy_open"] == 1
    assert result.counts["unseen/accuracy_closed"] == 0
    told = " ".join(result.notes)
    assert "1 of 6 questions have an answer that is no class" in told
    assert "always answering 'no', the most frequent in training: all 0.333, closed 0.500, open 0.000" in told
    low, high = result.intervals["accuracy"]
    assert 0 <= low < 0.5 < high <= 1


def test_names_are_known_before_the_cases_and_groups_without_questions_are_undefined():
    evaluator = QuestionAnswering(DATA, organs=("chest", "head"), replicates=0)
    assert evaluator.metrics()[:6] == (
        "accuracy", "accuracy_closed", "accuracy_open", "accuracy_chest", "accuracy_chest_closed", "accuracy_chest_open"
    )  # fmt: skip
    result = evaluator.evaluate(cases([0, 1], [0, 0], ["closed", "closed"]), intervals=False)
    assert set(evaluator.metrics()) == set(result.metrics)
    assert math.isnan(result.metrics["accuracy_open"]) and math.isnan(result.metrics["accuracy_chest"])
    titles, rows = evaluator.table(result)
    assert [row[0] for row in rows] == ["all", "closed"] and len(titles) == 4
    assert rows[0] == ["all", "0.500", "2", "0"]


def test_questions_of_one_image_are_drawn_together():
    """Two images, one answered right throughout and one wrong: the accuracy is 0, 0.5 or 1 in every draw."""
    both = cases([0] * 20, [0] * 10 + [1] * 10, ["closed"] * 20, patients=[0] * 10 + [1] * 10)
    together = QuestionAnswering(DATA, replicates=200).evaluate(both).intervals["accuracy"]
    alone = QuestionAnswering(DATA, replicates=200, unit="case").evaluate(both).intervals["accuracy"]
    assert together == (0.0, 1.0)
    assert 0.2 < alone[0] < alone[1] < 0.8


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(ConfigError, match="confidence"):
        QuestionAnswering(DATA, confidence=1.0)
    with pytest.raises(DataError, match="give one for each"):
        QuestionAnswering(DATA).evaluate(cases([], [], []))


def test_models_are_compared_question_by_question():
    random = np.random.default_rng(0)
    truth, kind = random.integers(0, 3, 300), np.where(random.random(300) < 0.5, "closed", "open").tolist()
    good = np.where(random.random(300) < 0.8, truth, (truth + 1) % 3)
    poor = np.where(random.random(300) < 0.4, truth, (truth + 1) % 3)
    types = ["PRES" if number % 2 else "ABN" for number in range(300)]
    a, b = (cases(truth, given, kind, types) for given in (good, poor))
    found = compare_answers(a, b, replicates=200)
    everything = found.metrics["accuracy"]
    assert everything.a == (truth == good).mean() and everything.b == (truth == poor).mean()
    assert everything.difference.difference == pytest.approx(everything.a - everything.b)
    assert everything.difference.low > 0 and everything.difference.p < 0.02
    assert math.isnan(everything.adjusted) and found.metrics["accuracy/PRES"].adjusted < 0.05
    with pytest.raises(DataError, match="different questions"):
        compare_answers(a, cases(truth, poor, ["open"] * 300, types))

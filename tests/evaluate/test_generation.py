"""The evaluators of written reports: equal terms, what is left out and told, intervals, and what is refused."""

import re
import sys
from itertools import pairwise

import numpy as np
import pytest

from medvl import Cases, ConfigError, DataError, DataSpec
from medvl.errors import PackageMissing
from medvl.evaluate.generation import Generation
from medvl.evaluate.perplexity import Perplexity
from medvl.evaluate.text_measures import BY_WORDS
from medvl.evaluate.words import words_of
from medvl.labelers.rules import Rules
from medvl.models.tokenizer import train_wordpiece
from medvl.plugins import Plugins

REPORTS = [
    "The heart is enlarged. No pleural effusion.",
    "Lungs are clear; do not see a pneumothorax.",
    "Small left pleural effusion, 3.5 cm.",
    "No acute process. The heart is normal in size.",
]
TOKENIZER = train_wordpiece(REPORTS, 200, 64)


def ids_of(texts, width=40):
    """Padded token ids without [CLS] and [SEP], as an objective predicts them."""
    found = np.full((len(texts), width), TOKENIZER.pad, np.float32)
    ids, offsets = TOKENIZER.encode(texts)
    for row, (start, stop) in enumerate(pairwise(offsets)):
        found[row, : stop - start - 2] = ids[start + 1 : stop - 1]
    return found


def cases_of(generated, original=tuple(REPORTS), **outputs):
    rows = np.arange(len(original))
    texts = np.array(original, object)
    return Cases(rows, rows // 2, {"text": texts}, {"report": ids_of(generated)} | outputs)


def evaluator(**parameters):
    return Generation(DataSpec(), TOKENIZER, **{"replicates": 30} | parameters)


def test_a_report_written_as_it_stands_scores_full_marks():
    result = evaluator(labeler=Rules()).evaluate(cases_of(REPORTS))
    for name in ("bleu_1", "bleu_4", "rouge_l", "clinical_accuracy", "clinical_f1"):
        assert result.metrics[name] == pytest.approx(1), name
        assert result.intervals[name] == pytest.approx((1, 1)), name
    assert result.metrics["cider"] == pytest.approx(10)
    assert result.counts == {"reports": 4, "empty": 0, "distinct": 4}


def test_ids_become_the_words_of_the_text():
    assert words_of(TOKENIZER.decode(ids_of(REPORTS).astype(int))) == words_of(REPORTS)
    beyond = np.array([[TOKENIZER.size + 3, TOKENIZER.mask, TOKENIZER.sep]])
    assert TOKENIZER.decode(beyond) == ["[UNK]"]


def test_both_sides_are_words_of_one_rule():
    shouted = evaluator(replicates=0).evaluate(cases_of(REPORTS, [text.upper() + "\n" for text in REPORTS]))
    assert shouted.metrics["bleu_4"] == pytest.approx(1)


def test_metrics_are_those_of_the_words():
    generated = [REPORTS[1], REPORTS[1], "", "The heart is normal."]
    result = evaluator(measures=("bleu", "meteor")).evaluate(cases_of(generated))
    once = np.ones((4, 1), np.uint8)
    for name in ("bleu", "meteor"):
        expected = BY_WORDS[name].of(words_of(generated), words_of(REPORTS))(once)[:, 0]
        assert [result.metrics[each] for each in BY_WORDS[name].names] == pytest.approx(expected)
    assert result.counts == {"reports": 4, "empty": 1, "distinct": 3}
    assert result.notes[0] == "of 4 generated reports 3 are distinct, 1 empty"
    assert any(note.startswith("meteor: by equal words and stems") for note in result.notes)
    assert result.notes[-1] == "intervals: 95% percentile bootstrap, 30 draws of 2 patients"
    low, high = result.intervals["bleu_1"]
    assert low <= result.metrics["bleu_1"] <= high and low < high


def test_cases_without_an_original_are_left_out():
    one = evaluator(replicates=0)
    found = one.evaluate(cases_of([*REPORTS, "No edema."], [*REPORTS, " \n"]))
    assert found.metrics == one.evaluate(cases_of(REPORTS)).metrics
    assert "1 of 5 cases have no original report and are left out" in found.notes
    nothing = one.evaluate(cases_of(["No edema."], [""]))
    assert np.isnan(list(nothing.metrics.values())).all() and tuple(nothing.metrics) == one.metrics()


def test_an_original_counts_whole_or_as_the_tokenizer_cuts_it():
    short = train_wordpiece(REPORTS, 200, 6)
    cut = [TOKENIZER.decode(short.encode([text])[0][None])[0] for text in REPORTS]
    cases = cases_of(cut)
    whole, like = (
        Generation(DataSpec(), short, original=original, replicates=0).evaluate(cases) for original in ("whole", "cut")
    )
    assert like.metrics["bleu_4"] == pytest.approx(1) and whole.metrics["bleu_4"] < 0.5
    assert "originals are cut to 6 tokens, as what the model learned from" in like.notes


def test_the_teacher_forced_score_has_a_name_of_its_own():
    one = evaluator(measures=("bleu",), teacher_forced=True)
    assert one.wants == ("report", "teacher_forced") and Generation.wants == ("report",)
    assert evaluator(measures=(), teacher_forced=True).wants == ("teacher_forced",)  # nothing is to be written
    result = one.evaluate(cases_of(["No edema."] * 4, teacher_forced=ids_of(REPORTS)))
    assert result.metrics["teacher_forced_bleu_4"] == pytest.approx(1) and result.metrics["bleu_4"] < 0.1
    assert any("scores no report that the model would write" in note for note in result.notes)


def test_without_intervals_nothing_is_drawn():
    result = evaluator().evaluate(cases_of(REPORTS), intervals=False)
    assert not result.intervals and not any("bootstrap" in note for note in result.notes)


def test_a_row_a_metric():
    one = evaluator(measures=("rouge_l",), labeler=Rules())
    titles, rows = one.table(one.evaluate(cases_of(REPORTS)))
    assert titles == ["measure", "value"]
    assert [row[0] for row in rows] == list(one.metrics())
    assert rows[0] == ["rouge_l", "1.000 (1.00-1.00)"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"measures": ("bleu", "bleu")}, "measures of evaluator 'generation': bleu, bleu"),
        ({"measures": ()}, "measures of evaluator 'generation': none"),
        ({"confidence": 0.0}, "confidence 0.0 of evaluator 'generation'"),
        ({"replicates": -1}, "replicates -1"),
    ],
)
def test_what_is_refused(parameters, message):
    with pytest.raises(ConfigError, match=message):
        evaluator(**parameters)


def test_a_model_without_text_is_refused():
    with pytest.raises(ConfigError, match="the model has no text slot"):
        Generation(DataSpec(), None)


def test_reports_of_other_cases_are_refused():
    cases = cases_of(REPORTS)
    cases.outputs["report"] = cases.outputs["report"][:2]
    with pytest.raises(DataError, match=r"output 'report' of shape \(2, 40\) holds no reports of 4 cases"):
        evaluator().evaluate(cases)


def test_a_missing_package_says_what_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PackageMissing, match=r"measure 'meteor' needs the package 'nltk'.*'medvl\[generation\]'"):
        evaluator(measures=("meteor",))
    for module in [
        name
        for name in sys.modules
        if name.startswith(("medvl.evaluate.gen", "medvl.evaluate.text_", "medvl.evaluate.bleu", "pycocoevalcap"))
    ]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pycocoevalcap", None)
    with pytest.raises(PackageMissing, match=r"needs the package 'pycocoevalcap'.*'medvl\[generation\]'"):
        Plugins().get("evaluator", "generation").load()


def judged(likelihood, tokens):
    rows = np.arange(len(tokens))
    outputs = {"log_likelihood": np.array(likelihood, np.float32), "tokens": np.array(tokens, np.float32)}
    return Cases(rows, rows, {}, outputs)


def test_perplexity_is_that_of_all_tokens():
    result = Perplexity(DataSpec(), replicates=200).evaluate(judged([-np.log(8) * 3, -np.log(2) * 9, 0], [3, 9, 0]))
    assert result.metrics["perplexity"] == pytest.approx(np.exp((3 * np.log(8) + 9 * np.log(2)) / 12))
    low, high = result.intervals["perplexity"]
    assert low == pytest.approx(2, rel=1e-5) and high == pytest.approx(8, rel=1e-5)
    assert Perplexity(DataSpec()).table(result)[1][0][::2] == ["perplexity", "12"]


@pytest.mark.parametrize(
    ("cases", "why"),
    [(judged([np.nan, -1], [1, 1]), "1 of 2 log-likelihoods are not finite"), (judged([0, 0], [0, 0]), "no token")],
)
def test_an_undefined_perplexity_says_why(cases, why):
    result = Perplexity(DataSpec()).evaluate(cases)
    assert np.isnan(result.metrics["perplexity"]) and re.search(why, result.notes[0])


def test_a_perplexity_of_arrays_that_do_not_fit():
    cases = judged([-1.0, -1.0], [1, 1])
    cases.outputs["tokens"] = np.ones((2, 3))
    with pytest.raises(DataError, match=r"log-likelihoods \(2,\) and tokens \(2, 3\) of 2 cases"):
        Perplexity(DataSpec()).evaluate(cases)
    with pytest.raises(ConfigError, match="replicates -1 and seed 0 of evaluator 'perplexity'"):
        Perplexity(DataSpec(), replicates=-1)

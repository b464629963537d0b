"""Overlap of words against the libraries called directly, corpora drawn anew, and cases made by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import corpus_bleu
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from medvl.evaluate.bleu import bleu, bleu_counts
from medvl.evaluate.clinical_efficacy import METRICS, clinical_efficacy
from medvl.evaluate.text_measures import BY_WORDS, by_findings
from medvl.evaluate.text_scores import cider, meteor, rouge_l
from medvl.evaluate.words import words_of
from medvl.labelers.base import Labeler

ORIGINAL = [
    "the heart is enlarged . no pleural effusion is seen .",
    "lungs are clear . no pneumothorax .",
    "small left pleural effusion with basilar atelectasis .",
    "no acute cardiopulmonary process is seen in the chest .",
]
GENERATED = [
    "the heart is enlarged . no pleural effusion .",
    "the lungs are clear . no pneumothorax or effusion is seen .",
    "",
    "no acute cardiopulmonary process .",
]
ONCE = np.ones((4, 1), np.uint8)


def by_the_library(scorer, generated, original):
    numbers = range(len(original))
    return scorer.compute_score({at: [original[at]] for at in numbers}, {at: [generated[at]] for at in numbers})


def test_bleu_equals_two_libraries():
    found = BY_WORDS["bleu"].of(GENERATED, ORIGINAL)(ONCE)[:, 0]
    np.testing.assert_allclose(found, Bleu().compute_score(*as_dicts(GENERATED, ORIGINAL), verbose=0)[0], atol=1e-8)
    some = [0, 1, 3]  # NLTK takes an empty text for one of a wrong word
    found = BY_WORDS["bleu"].of([GENERATED[at] for at in some], [ORIGINAL[at] for at in some])(ONCE[:3])[:, 0]
    references, hypotheses = [[ORIGINAL[at].split()] for at in some], [GENERATED[at].split() for at in some]
    expected = [corpus_bleu(references, hypotheses, weights=[1 / order] * order) for order in (1, 2, 3, 4)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def as_dicts(generated, original):
    numbers = range(len(original))
    return {at: [original[at]] for at in numbers}, {at: [generated[at]] for at in numbers}


def test_a_drawn_corpus_is_scored_as_if_it_were_written_out():
    drawn = np.array([2, 0, 1, 1])
    weights = drawn[:, None].astype(np.uint8)
    again = np.repeat(np.arange(4), drawn)
    generated, original = [GENERATED[at] for at in again], [ORIGINAL[at] for at in again]
    found = BY_WORDS["bleu"].of(GENERATED, ORIGINAL)(weights)
    np.testing.assert_allclose(found, BY_WORDS["bleu"].of(generated, original)(ONCE), atol=1e-12)
    found = BY_WORDS["rouge_l"].of(GENERATED, ORIGINAL)(weights)
    np.testing.assert_allclose(found, BY_WORDS["rouge_l"].of(generated, original)(ONCE), atol=1e-12)


def test_bleu_by_hand():
    counts = bleu_counts(["no effusion no effusion"], ["no effusion is seen here"])
    assert counts.tolist() == [[2, 1, 0, 0, 4, 3, 2, 1, 4, 5]]  # each word counts as often as the original has it
    found = bleu(counts.T)[:, 0]
    brevity = math.exp(1 - 5 / 4)
    assert found == pytest.approx([brevity * 2 / 4, brevity * math.sqrt(2 / 4 * 1 / 3), 0, 0])


def test_rouge_and_cider_equal_the_library():
    np.testing.assert_allclose(rouge_l(GENERATED, ORIGINAL), by_the_library(Rouge(), GENERATED, ORIGINAL)[1])
    np.testing.assert_allclose(cider(GENERATED, ORIGINAL), by_the_library(Cider(), GENERATED, ORIGINAL)[1])
    assert rouge_l(["a b c"], ["a x c"])[0] == pytest.approx(2 / 3)  # equal precision and recall, whatever beta is
    assert cider(ORIGINAL, ORIGINAL) == pytest.approx(np.full(4, 10))


def test_meteor_counts_stems_and_downloads_nothing():
    equal, stem, other, empty = meteor(
        ["opacities seen", "opacity seen", "hazy", ""], ["opacities seen"] * 4
    )  # fmt: skip
    assert equal == pytest.approx(1 - 0.5 * (1 / 2) ** 3) and stem == pytest.approx(equal)
    assert other == empty == 0


def test_all_of_nothing():
    for measure in (BY_WORDS[name] for name in ("rouge_l", "cider", "bleu")):
        assert (measure.of(["", "hello"], ["no effusion", "no edema"])(np.ones((2, 1), np.uint8)) == 0).all()


WORDS = st.lists(st.sampled_from(["no", "edema", "is", "seen", ".", "left"]), max_size=9).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS.filter(bool)), min_size=1, max_size=5))
def test_scores_stay_in_their_range_whatever_is_written(pairs):
    generated, original = map(list, zip(*pairs, strict=True))
    weights = np.ones((len(pairs), 1), np.uint8)
    for name, most in (("bleu", 1), ("rouge_l", 1), ("cider", 10), ("meteor", 1)):
        found = BY_WORDS[name].of(generated, original)(weights)
        assert ((found >= 0) & (found <= most + 1e-9)).all(), name
    perfect = BY_WORDS["bleu"].of(original, original)(weights)[0, 0]
    assert perfect == pytest.approx(1)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_words_are_the_same_when_they_are_read_again(text):
    (once,) = words_of([text])
    assert words_of([once]) == [once]
    assert once == " ".join(once.split())


def test_words_are_lower_case_and_punctuation_stands_apart():
    assert words_of(["No 3.5-cm  Mass\nseen.", " \n", "Café"]) == ["no 3 . 5 - cm mass seen .", "", "cafe"]


class Fixed(Labeler):
    """Labels that are known, by the report's number."""

    def __init__(self, labels) -> None:
        self.labels = labels

    def label(self, reports):
        return np.array([self.labels[report] for report in reports], np.int8)


def test_clinical_efficacy_of_a_drawn_corpus():
    random = np.random.default_rng(0)
    original, generated = random.choice([1, 0, -1, 2], (2, 30, 4))
    labels = {f"o{at}": row for at, row in enumerate(original)} | {f"g{at}": row for at, row in enumerate(generated)}
    measure = by_findings(Fixed(labels))
    weights = random.integers(0, 3, (30, 6)).astype(np.uint8)
    found = measure.of([f"g{at}" for at in range(30)], [f"o{at}" for at in range(30)])(weights)
    for draw, values in zip(weights.T, found.T, strict=True):
        again = np.repeat(np.arange(30), draw)
        expected = clinical_efficacy(original[again], generated[again]).metrics()
        assert dict(zip(measure.names, values.tolist(), strict=True)) == pytest.approx(expected)
    assert measure.names == METRICS

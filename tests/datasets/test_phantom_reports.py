"""Reports agree with labels, and an indication gives nothing away that is only seen."""

import re
from collections import Counter

import pytest

from medvl.datasets.phantom.cases import LABELS
from medvl.datasets.phantom.dataset import Phantom

WORDS = {
    "Cardiomegaly": r"cardiomegaly|enlarge|cardiac silhouette|heart size|heart is normal",
    "Lung Lesion": r"\bmass\b|nodul|lesion",
    "Edema": r"edema",
    "Consolidation": r"consolidation",
    "Pneumonia": r"pneumonia",
    "Atelectasis": r"atelecta",
    "Pneumothorax": r"pneumothorax",
    "Pleural Effusion": r"effusion",
    "Support Devices": r"\btubes?\b|\blines?\b|pacemaker",
}
HEDGE = r"possibl|may reflect|questionable|could represent|cannot be excluded"
DENIAL = r"\bno\b|normal"


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return Phantom(patients=1500, seed=5).table().to_pylist()


def sentences(row: dict, word: str) -> list[str]:
    text = " ".join(row[f"text.{section}"] or "" for section in ("findings", "impression")).lower()
    return [sentence for sentence in re.split(r"\.", text) if re.search(word, sentence)]


@pytest.mark.parametrize("label", WORDS)
def test_reports_say_what_the_labels_say(rows: list[dict], label: str) -> None:
    for row in rows:
        said = sentences(row, WORDS[label])
        value = row[f"label.{label}"]
        if value is None:
            assert not said
        elif value == 1:
            assert any(not re.search(DENIAL, one) and not re.search(HEDGE, one) for one in said)
        elif value == -1:
            assert said and all(re.search(HEDGE, one) for one in said)
        else:
            assert said and all(re.search(DENIAL, one) for one in said)


@pytest.mark.parametrize("label", [label for label in WORDS if label != "Support Devices"])
def test_findings_section_mentions_positives(rows: list[dict], label: str) -> None:
    positive = [row["text.findings"] for row in rows if row[f"label.{label}"] == 1 and row["text.findings"]]
    assert positive and all(re.search(WORDS[label], text.lower()) for text in positive)


def test_indications_hold_no_label_and_no_side(rows: list[dict]) -> None:
    forbidden = "|".join([*WORDS.values(), r"\bright\b|\bleft\b|bilateral|opaci|device|catheter|effus|fractur"])
    for row in rows:
        assert not re.search(forbidden, (row["text.indication"] or "").lower()), row["text.indication"]


def test_findings_name_the_side_that_is_shown(rows: list[dict]) -> None:
    seen = 0
    for row in rows:
        box = [box for box in row["boxes"] if box["label"] == "Pneumothorax"]
        side = {box["x"] + box["width"] / 2 < 0.5 for box in box}
        for sentence in sentences(row, "pneumothorax"):
            told = re.search(r"\b(right|left)\b", sentence)
            if told and row["view"] != "LATERAL":
                seen += 1
                assert side == {told[1] == "right"}  # the patient's right is on the image's left
    assert seen > 50


def test_some_sections_are_missing_but_never_the_whole_report(rows: list[dict]) -> None:
    for section in ("indication", "comparison", "findings", "impression"):
        share = sum(row[f"text.{section}"] is None for row in rows) / len(rows)
        assert 0.02 < share < 0.35
    assert all(row["text.findings"] or row["text.impression"] for row in rows)


def test_texts_are_varied_and_well_formed(rows: list[dict]) -> None:
    for section, share in (("indication", 0.3), ("findings", 0.6), ("impression", 0.25)):
        texts = [row[f"text.{section}"] for row in rows if row[f"text.{section}"]]
        assert len(set(texts)) > share * len({row["study"] for row in rows})
        for text in texts:
            assert not re.search(r"[{}]|  |,,|\.\.|nan|None ", text), text
            assert text[0].isupper() or text[0].isdigit() or text.startswith("___")


def test_later_studies_tell_of_change(rows: list[dict]) -> None:
    change = r"new|unchanged|stable|increased|worse|improved|decreased"
    for row in rows:
        if row["study"].endswith("s01"):
            assert not re.search(rf", ({change})", row["text.findings"] or "")
            assert not re.search(r"\d+ days", row["text.comparison"] or "")
    later = " ".join(row["text.findings"] or "" for row in rows if not row["study"].endswith("s01"))
    assert all(re.search(word, later) for word in ("new", "unchanged", "increased", "improved"))


def test_images_of_a_study_share_its_report(rows: list[dict]) -> None:
    columns = ["text.findings", "text.indication", *[f"label.{label}" for label in LABELS]]
    told = {}
    for row in rows:
        assert told.setdefault(row["study"], [row[name] for name in columns]) == [row[name] for name in columns]


def test_questions_are_answered_by_what_is_there(rows: list[dict]) -> None:
    kinds: Counter[str] = Counter()
    for row in rows:
        asked = {one["question"]: one["answer"] for one in row["questions"]}
        kinds.update(one["kind"] for one in row["questions"])
        assert all(one["answer"] in ("yes", "no") for one in row["questions"] if one["kind"] == "closed")
        view = [answer for question, answer in asked.items() if re.search("view|projection", question)]
        assert view == [row["view"]]
        for question, label in (
            (r"^(Is there|Does .* have) a pleural effusion", "Pleural Effusion"),
            (r"^Is (there )?a pneumothorax", "Pneumothorax"),
            (r"^Is (the heart enlarged|there cardiomegaly)", "Cardiomegaly"),
            (r"^Is there a support device", "Support Devices"),
        ):
            for text, answer in asked.items():
                if re.search(question, text):
                    assert (answer == "yes") == (row[f"label.{label}"] in (1, -1))
    assert kinds["open"] > 500 and kinds["closed"] > 500


def test_closed_questions_are_not_answered_by_their_wording() -> None:
    rows = Phantom(patients=600).table()["questions"].to_pylist()
    answers = Counter(one["answer"] for asked in rows for one in asked if one["kind"] == "closed")
    assert 0.3 < answers["yes"] / answers.total() < 0.7
